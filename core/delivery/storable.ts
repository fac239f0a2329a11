/**
 * An event that was handed on by reference, as bytes: when its handler has failed, it has to be
 * kept after all.
 */
import type { Event, StoredEvent } from "../event/event.ts";

const encoder = new TextEncoder();

/** The event as bytes, for its retry or its dead letter. */
export function storable(event: Event): StoredEvent {
  return {
    seq: 0,
    topic: event.topic,
    id: event.id,
    type: event.type,
    timestamp: event.timestamp,
    schemaVersion: event.schemaVersion,
    ...(event.key === undefined ? {} : { key: event.key }),
    metadata: asJson(event.metadata) ?? "{}",
    payload: encoder.encode(asJson(event.payload) ?? JSON.stringify(String(event.payload))),
  };
}

/**
 * The value as JSON text; undefined where it is none (a function, a cycle): it was never stored, so
 * nobody asked.
 */
function asJson(value: unknown): string | undefined {
  try {
    return JSON.stringify(value);
  } catch {
    return undefined;
  }
}
