/** What readers get. */
import type { Judge } from "./judge.ts";
import { isJustLost } from "./just_lost.ts";
import { named } from "./stored.ts";

const tailsAreWhole: Judge = {
  name: "a tail skips nothing in silence",
  promise: "5. At least once",
  holds: "Who follows a topic gets each event once and in order, or is told which ones were " +
    "deleted before.",
  sees(fact, model, report) {
    if (fact.is !== "shown") return;
    const { reader, event } = fact;
    const { seq: before, n } = model.position(reader, event.topic) ?? {};
    if (before === undefined || event.seq === before + 1) return;
    const { isDamaged, goneUpTo } = model.log(event.topic);
    // What a person removed with the topic is not told of as missed.
    if (event.seq > before && (isDamaged || goneUpTo >= 0)) return;
    // docs/adr/0023: what it got last went with a file, and others may get the numbers up to there.
    const last = model.events.get(n ?? -1);
    if (event.n !== n && (last ? isJustLost(model, last.sent.n) : isDamaged)) return;
    report(`${reader} got ${named(event)} after ${before}`);
  },
};

const readsAreWhole: Judge = {
  name: "a read skips nothing",
  promise: "4. Sequence numbers have no gaps",
  holds: "Who reads a topic gets events in order, without a hole, and all that were acknowledged " +
    "before the read began.",
  sees(fact, model, report) {
    if (fact.is !== "read") return;
    const { reader, topic, events } = fact;
    const log = model.log(topic);
    const hole = events.findIndex((event, i) => i > 0 && event.seq !== events[i - 1]!.seq + 1);
    if (hole > 0 && !log.isDamaged && !log.mayDelete) {
      report(`${reader} got ${named(events[hole]!)} after ${events[hole - 1]!.seq}`);
    }
    if (!log.isWhole) return;
    for (const known of model.numbered(topic)) {
      const isBefore = known.answeredAt !== undefined && known.answeredAt < fact.askedAt;
      if (!isBefore || events.some(({ n }) => n === known.sent.n)) continue;
      report(`${reader} did not get ${named({ ...known.sent, seq: known.seq })}`);
    }
  },
};

/** What readers get. */
export const readingJudges: readonly Judge[] = [tailsAreWhole, readsAreWhole];
