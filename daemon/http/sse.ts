/**
 * Server-sent events (https://html.spec.whatwg.org/multipage/server-sent-events.html). The id tells
 * where every topic is.
 */
import { type StoredEvent, toWireLine } from "../../core/event/event.ts";
import type { Missed } from "../../core/reading/missed.ts";
import type { Render } from "../../core/reading/replay.ts";
import { concat } from "../../core/base/bytes.ts";

/** An id up to this length comes with every event, characters. */
const SHORT = 1024;

const encoder = new TextEncoder();
const NEWLINE = encoder.encode("\n");

/**
 * Events as server-sent events. `positions` is kept: topic to the seq that went out last.
 *
 * The id of a reader of thousands of topics is longer than a page of events, and each event would
 * carry it. So a long one comes only when what went out since the last one is as long as it: after
 * a break what was behind it comes again.
 */
export function sseRender(
  positions: Map<string, number>,
  { several }: { several: boolean },
): Render {
  let lastId = 0;
  let since = 0;
  const idOf = (event: StoredEvent) =>
    several
      ? [...positions].filter(([, seq]) => seq > 0).map(([topic, seq]) => `${topic}:${seq}`)
        .join(",")
      : `${event.topic}:${event.seq}`;
  return (events) =>
    concat(events.flatMap((event) => {
      positions.set(event.topic, event.seq);
      const line = toWireLine(event);
      since += line.length;
      let head = `event: ${event.type}\ndata: `;
      if (lastId <= SHORT || since >= lastId) {
        const id = idOf(event);
        head = `id: ${id}\n${head}`;
        lastId = id.length;
        since = 0;
      }
      return [encoder.encode(head), line, NEWLINE];
    }));
}

/**
 * An event of a name of its own: who does not listen for it is not told. It has no id, for it is no
 * place to go on from.
 */
export function missedSse(missed: Missed): Uint8Array {
  return encoder.encode(`event: missed\ndata: ${JSON.stringify(missed)}\n\n`);
}
