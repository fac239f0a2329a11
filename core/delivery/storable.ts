/**
 * Converts an event that was passed by reference to bytes: its handler has failed, so it must be
 * stored after all.
 */
import type { Event, StoredEvent } from "../event/event.ts";

const encoder = new TextEncoder();

/** The event as bytes, for its retry or dead letter. */
export function storable(event: Event): StoredEvent {
  return {
    seq: 0,
    topic: event.topic,
    id: event.id,
    type: event.type,
    timestamp: event.timestamp,
    schemaVersion: event.schemaVersion,
    key: event.key,
    metadata: asJson(event.metadata) ?? "{}",
    payload: encoder.encode(asJson(event.payload) ?? JSON.stringify(String(event.payload))),
  };
}

/**
 * The value as JSON text; undefined if it has none (a function, a cycle), which nobody checked
 * because the event was never stored.
 */
function asJson(value: unknown): string | undefined {
  try {
    return JSON.stringify(value);
  } catch {
    return undefined;
  }
}
