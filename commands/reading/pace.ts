/** Replays events at their original pace, by their timestamps. */
import { splitLines } from "../../core/client/connection.ts";
import type { Clock } from "../../core/base/clock.ts";
import { delay } from "../../core/client/feed.ts";

const decoder = new TextDecoder();

/**
 * Yields the events one by one; an event `t` ms after the first comes `t / speed` ms after the
 * first.
 */
export async function* paceBlocks(
  blocks: AsyncIterable<Uint8Array>,
  options: { speed: number; clock: Clock },
): AsyncGenerator<Uint8Array, void, undefined> {
  const { speed, clock } = options;
  let first: number | undefined;
  const began = clock.monotonic();
  for await (const line of splitLines(blocks)) {
    const { timestamp } = JSON.parse(decoder.decode(line)) as { timestamp: number };
    first ??= timestamp;
    const wait = (timestamp - first) / speed - (clock.monotonic() - began);
    const whole = new Uint8Array(line.length + 1);
    whole.set(line);
    whole[line.length] = 0x0a;
    if (wait > 0) await delay(clock, wait);
    yield whole;
  }
}
