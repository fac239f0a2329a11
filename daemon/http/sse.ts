/**
 * Server-sent events (https://html.spec.whatwg.org/multipage/server-sent-events.html). The id
 * contains the position in every topic.
 */
import { type StoredEvent, toWireLine } from "../../core/event/event.ts";
import type { Missed } from "../../core/reading/missed.ts";
import type { Render } from "../../core/reading/replay.ts";
import { concat } from "../../core/base/bytes.ts";

/** An id up to this length is sent with every event, characters. */
const SHORT = 1024;

const encoder = new TextEncoder();
const NEWLINE = encoder.encode("\n");
/** A comment, which clients ignore: a heartbeat. */
export const SSE_COMMENT = encoder.encode(":\n\n");

/** Renders events of one topic. Their id is their own place, whoever reads them. */
export const sseLines: Render = (events) =>
  concat(events.flatMap((event) => [
    encoder.encode(`id: ${event.topic}:${event.seq}\n${withoutId(event)}`),
    toWireLine(event),
    NEWLINE,
  ]));

/**
 * Renders events of several topics. `positions` maps each topic to the last seq sent, and is
 * updated.
 *
 * For thousands of topics the id is longer than a page of events, and every event would carry it. A
 * long id is therefore sent only after as many bytes of events; after a reconnect, events since the
 * last id are sent again.
 */
export function sseRender(positions: Map<string, number>): Render {
  let lastId = 0;
  let since = 0;
  const idNow = () =>
    [...positions].filter(([, seq]) => seq > 0).map(([topic, seq]) => `${topic}:${seq}`).join(",");
  return (events) =>
    concat(events.flatMap((event) => {
      positions.set(event.topic, event.seq);
      const line = toWireLine(event);
      since += line.length;
      let head = withoutId(event);
      if (lastId <= SHORT || since >= lastId) {
        const id = idNow();
        head = `id: ${id}\n${head}`;
        lastId = id.length;
        since = 0;
      }
      return [encoder.encode(head), line, NEWLINE];
    }));
}

function withoutId({ type }: StoredEvent): string {
  return `event: ${type}\ndata: `;
}

/**
 * An event with its own name, so that only clients that listen for it receive it. It has no id,
 * because it is not a position to resume from.
 */
export function missedSse(missed: Missed): Uint8Array {
  return encoder.encode(`event: missed\ndata: ${JSON.stringify(missed)}\n\n`);
}
