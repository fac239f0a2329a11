/**
 * Timestamps in the future: the clock was ahead, or has been set back since. Order is unaffected
 * (it goes by seq), but retention by age, `--from @TIME` and retry delays go by the clock.
 */
import type { Check, Finding } from "./check.ts";
import { exists } from "../../base/if_there.ts";
import { counted } from "./counted.ts";

/** Synchronized clocks differ by less than this, ms. */
export const CLOCK_SLACK = 60_000;

const HINT =
  "timedatectl shows whether the clock is kept in step; nothing is lost, order is by seq";

export const clock: Check = {
  name: "clock",
  *look({ dataDir, now, status }, { seen, state }): Generator<Finding> {
    const latest = now + CLOCK_SLACK;
    const warning = (where: string, what: string): Finding => ({
      level: "warning",
      where,
      what,
      hint: HINT,
    });
    if (seen?.newest && seen.newest.timestamp > latest) {
      const { topic, seq, timestamp } = seen.newest;
      yield {
        ...warning(
          topic,
          `${counted(seen.ahead, "event")} ${seen.ahead === 1 ? "is" : "are"} in the future, ` +
            `event ${seq} of ${at(timestamp)} the latest; all are kept and served`,
        ),
        details: { topic, seq, timestamp, events: seen.ahead },
      };
    }
    const made = [
      ...(state?.topics ?? []).map(({ name, createdAt }) => [`the topic ${name}`, createdAt]),
      ...(state?.subscriptions ?? []).map((one) => [`the subscription ${one.name}`, one.createdAt]),
      ...(state?.schemas ?? []).map((one) => [
        `the schema of ${one.type} ${one.version}`,
        one.registeredAt,
      ]),
    ] as [string, number][];
    for (const [what, time] of made) {
      if (time > latest) {
        yield warning("state.db", `${what} was made at ${at(time)}, which is in the future`);
      }
    }
    if (status && status.startedAt > latest) {
      yield warning("daemon", `it started at ${at(status.startedAt)}, which is in the future`);
    }
    for (const where of ["events.db", "events.db-wal", "events", "state.db", "log/daemon.log"]) {
      const path = `${dataDir}/${where}`;
      const time = exists(path) ? Deno.statSync(path).mtime?.getTime() ?? 0 : 0;
      if (time > latest) {
        yield warning(where, `it was written at ${at(time)}, which is in the future`);
      }
    }
  },
};

/**
 * Formats a time for people, to the second. One that the calendar cannot express is shown as a
 * number.
 */
function at(time: number): string {
  const date = new Date(time);
  if (Number.isNaN(date.getTime())) return String(time);
  return `${date.toISOString().slice(0, 19).replace("T", " ")} UTC`;
}
