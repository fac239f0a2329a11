/** `evs publish --delay` and `--at`: the time as typed, and the receipt of a scheduled event. */
import { InvalidArgumentError } from "../../core/base/errors.ts";
import { LONGEST_SCHEDULE_MS } from "../../core/event/limits.ts";
import { parseMoment } from "../../core/event/offset.ts";
import type { PublishReply } from "../../core/protocol/protocol.ts";
import { dueWords } from "../subscription/in_flight.ts";
import { localOffset } from "../terminal/local_time.ts";

/** The value of `--at` as the daemon takes it: without a zone it is local time. */
export function timeOf(typed: string): string {
  const local = localOffset(`@${typed}`).slice(1);
  try {
    return new Date(parseMoment(local)).toISOString();
  } catch (cause) {
    throw new InvalidArgumentError(
      `--at is a time, such as 2031-12-01T08:00 (local time), 2031-12-01T08:00:00Z or Unix ms, not ${
        JSON.stringify(typed.slice(0, 80))
      }`,
      { cause },
    );
  }
}

/** The value of `--delay` as the daemon takes it, ms. */
export function delayOf(ms: number): number {
  if (ms <= LONGEST_SCHEDULE_MS) return Math.round(ms);
  throw new InvalidArgumentError(`--delay is at most ${LONGEST_SCHEDULE_MS / 86_400_000}d`, {
    hint: "a time that is further away takes --at",
  });
}

/** The receipt of an event that is published later, with its line feed. */
export function formatScheduled(
  topic: string,
  { reply, forPeople, now }: { reply: PublishReply; forPeople: boolean; now: number },
): string {
  const { id, dueAt } = reply.scheduled!;
  const duplicate = reply.duplicates > 0;
  if (!forPeople) {
    const repeat = duplicate ? { duplicate } : {};
    return JSON.stringify({ topic, id, scheduled: true, dueAt, ...repeat }) + "\n";
  }
  const what = duplicate ? "Was scheduled already:" : "Scheduled";
  return `${what} ${topic}, due ${dueWords({ dueAt }, now)}, id ${id}\n`;
}
