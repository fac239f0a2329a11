/** Events that a reader missed, because retention or the removal of the topic overtook it. */
import type { TopicHead } from "../store/store.ts";

/** Events deleted before a reader got to them; both ends inclusive. */
export interface Missed {
  /** Their topic. */
  topic: string;
  /** The first one's seq. */
  from: number;
  /** The last one's seq. */
  to: number;
  /** How many there are. */
  count: number;
}

/**
 * Which events are gone between the next seq that a reader wants and the current start of the
 * topic.
 */
export function missedOf(topic: string, next: number, head: TopicHead): Missed | undefined {
  if (next >= head.firstSeq) return undefined;
  return { topic, from: next, to: head.firstSeq - 1, count: head.firstSeq - next };
}

/** Describes it in words. */
export function missedText({ topic, from, to, count }: Missed): string {
  const events = count === 1 ? "1 event" : `${count} events`;
  return `missed ${from}..${to} of ${topic} (${events}): retention deleted them`;
}

/**
 * Starts a notice among the lines of an NDJSON response; no JSON text contains it (as in RFC 7464).
 */
export const NOTICE = 0x1e;

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** A notice as a line of an NDJSON response, for clients that asked for notices. */
export function missedLine(missed: Missed): Uint8Array {
  return encoder.encode(`\x1e${JSON.stringify({ missed })}\n`);
}

/** Splits a block of whole lines into blocks of events and notices, in order. */
export function* partNotices(block: Uint8Array): Generator<Uint8Array | Missed, void, undefined> {
  let from = 0;
  for (let at = block.indexOf(NOTICE); at >= 0; at = block.indexOf(NOTICE, from)) {
    if (at > from) yield block.subarray(from, at);
    from = block.indexOf(0x0a, at) + 1;
    yield (JSON.parse(decoder.decode(block.subarray(at + 1, from))) as { missed: Missed }).missed;
  }
  if (from < block.length) yield block.subarray(from);
}
