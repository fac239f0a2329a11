/** What consumers get, and when. */
import type { Fact } from "../lives/fact.ts";
import type { Consumption, Known, Model, Work } from "../lives/model.ts";
import type { Judge } from "./judge.ts";
import { named } from "./stored.ts";

/** A delivery that begins, with what is known of its subscription and its event. */
interface Beginning {
  fact: Fact & { is: "began" };
  subscription: Consumption;
  known: Known;
  work: Work;
  /** The delivery in a sentence. */
  text: string;
}

/**
 * What begins; undefined if it is something else, of a subscription that was moved, or something
 * that a consumer fetched long ago.
 */
function beginning(fact: Fact, model: Model): Beginning | undefined {
  if (fact.is !== "began") return undefined;
  const subscription = model.subscriptions.get(fact.subscription);
  const known = model.events.get(fact.event.n);
  if (!subscription || !known || subscription.isLoose || !model.isFresh(fact)) return undefined;
  // A store that had forgotten it has it a second time.
  const numbers = [...model.log(known.sent.topic).numbers].filter(([, n]) => n === fact.event.n);
  if (numbers.some(([seq]) => seq !== fact.event.seq)) return undefined;
  const work = model.look(subscription.find(fact.event.n), fact.at);
  const text = `${
    named(fact.event)
  } began for ${subscription.name} in ${fact.holder} as attempt ${fact.attempt}`;
  return { fact, subscription, known, work, text };
}

/** True if nothing was disturbed since then. */
function isCalm(model: Model, since: number): boolean {
  return model.disturbedAt < since;
}

const oneHolder: Judge = {
  name: "one consumer has an event",
  promise: "5. At least once",
  holds: "While a consumer has an event under a lease that lives, nobody else of the " +
    "subscription gets it.",
  sees(fact, model, report) {
    const one = beginning(fact, model);
    if (!one) return;
    for (const run of model.runs.values()) {
      if (run.subscription !== one.subscription.name || run.n !== one.known.sent.n) continue;
      // What a consumer had fetched before a disturbance may not be its own any more.
      if (run.until <= fact.at || !run.isFresh || !isCalm(model, run.beganAt)) continue;
      report(`${one.text}, while ${run.holder} has it since ${fact.at - run.beganAt} ms`);
    }
  },
};

const attemptsCount: Judge = {
  name: "attempts count up",
  promise: "6. Retry, dead letter and cursor move together",
  holds: "The number of an attempt is one more than the number of attempts that were answered " +
    "before; no crash resets it.",
  sees(fact, model, report) {
    const one = beginning(fact, model);
    if (
      !one ||
      [...model.runs.values()].some(({ subscription, n }) =>
        subscription === one.subscription.name && n === one.known.sent.n
      )
    ) return;
    const { low, high } = one.work;
    const { attempt } = one.fact;
    if (attempt > low && attempt <= high + one.subscription.lostLeases + 1) return;
    const before = low === high ? `${low}` : `${low} to ${high}`;
    report(`${one.text}, and ${before} were answered before`);
  },
};

const doneStaysDone: Judge = {
  name: "what is done stays done",
  promise: "5. At least once",
  holds: "Without a failure nothing is delivered twice: an event whose outcome was kept, done or " +
    "dead, does not begin again, unless somebody sent the dead letter again.",
  sees(fact, model, report) {
    const one = beginning(fact, model);
    if (!one || (one.work.state !== "done" && one.work.state !== "dead")) return;
    if (model.isKept(one.work, fact.at)) report(`${one.text}, and was ${one.work.state}`);
  },
};

const keysKeepOrder: Judge = {
  name: "a key's events are delivered in order",
  promise: "5. At least once",
  holds: "An event begins only when the events of its key before it are done or dead.",
  sees(fact, model, report) {
    const one = beginning(fact, model);
    const { sent: { topic, key } } = one?.known ?? { sent: { topic: "", key: undefined } };
    if (!one || key === undefined || one.work.isRevived) return;
    for (const before of model.numbered(topic)) {
      if (before.seq! >= one.fact.event.seq || before.sent.key !== key) continue;
      const work = model.look(one.subscription.find(before.sent.n), fact.at);
      // A lease that has run out may have been the last attempt.
      const isRunning = work.state === "running" &&
        [...model.runs.values()].some((run) =>
          run.subscription === one.subscription.name && run.n === before.sent.n &&
          run.until > one.fact.at
        );
      const isOpen = isRunning || (work.state === "waiting" && work.beganAt >= 0);
      if (!isOpen && !(work.beganAt < 0 && mustCome(one.subscription, before, model))) continue;
      if (work.isRevived || work.isPerhapsDone || !work.isSure || before.redaction) continue;
      // What began before a crash may have been answered by somebody who is not heard any more.
      if (!isCalm(model, Math.max(work.beganAt, 0))) continue;
      if (model.mayHaveDied(one.subscription, work)) continue;
      if (hasExpired(before, fact.at, model)) continue;
      report(
        `${one.text}, before ${named({ ...before.sent, seq: before.seq })} of its key, which ${
          work.state === "running" ? "runs" : work.beganAt < 0 ? "never began" : "waits for a retry"
        }`,
      );
    }
  },
};

/** True if an event must be delivered before those behind it: nothing may have deleted it. */
function mustCome(
  { isLoose }: Consumption,
  { request, sent: { topic } }: Known,
  model: Model,
): boolean {
  return !isLoose && model.log(topic).isWhole && request.ttlMs === undefined;
}

/** True if an event may have expired. */
function hasExpired({ request: { ttlMs } }: Known, _now: number, _model: Model): boolean {
  return ttlMs !== undefined;
}

const retriesWait: Judge = {
  name: "a retry waits",
  promise: "28. Clock changes and suspends affect no timer",
  holds: "An event that failed is not delivered again before its wait is over, unless somebody " +
    "said so or the wall clock was set forward.",
  sees(fact, model, report) {
    const one = beginning(fact, model);
    if (!one || one.work.state !== "waiting" || !one.work.isSure) return;
    const early = one.work.dueAt - fact.at;
    if (early <= 1 || model.steppedAt >= one.work.beganAt) return;
    report(`${one.text}, ${early} ms before its wait was over`);
  },
};

const pausedIsQuiet: Judge = {
  name: "a paused subscription delivers nothing",
  promise: "28. Clock changes and suspends affect no timer",
  holds: "What a person paused delivers nothing that was published since, until somebody resumes " +
    "it or the pause's own time is over.",
  sees(fact, model, report) {
    const one = beginning(fact, model);
    const paused = one?.subscription.paused;
    if (!one || !paused || fact.at >= paused.until || model.steppedAt >= paused.since) return;
    // What a consumer had fetched before may still begin.
    if (one.known.askedAt <= paused.since) return;
    report(`${one.text}, ${fact.at - paused.since} ms after the subscription was paused`);
  },
};

const concurrencyHolds: Judge = {
  name: "no more handlers than allowed",
  promise: "A failing handler affects nobody else",
  holds: "A consumer runs at most as many handlers at the same time as it was told.",
  sees(fact, model, report) {
    const one = beginning(fact, model);
    if (!one || one.fact.until !== undefined) return;
    const { concurrency, batch = 1 } = one.subscription.settings;
    // What it had begun before it unsubscribed may end while it has subscribed again.
    const since = model.begunAt(one.fact);
    const beside =
      [...model.runs.values()].filter(({ holder, subscription, beganAt }) =>
        holder === one.fact.holder && subscription === one.subscription.name && beganAt >= since
      ).length;
    if (beside < concurrency * batch) return;
    report(`${one.text}, beside ${beside} others, and ${concurrency * batch} are allowed`);
  },
};

/** So long a consumer may have what it has leased before it begins with it. */
const FETCHED_MS = 5000;

const expiredStays: Judge = {
  name: "what has expired is not delivered",
  promise: "An event expires when its time to live says so",
  holds:
    "An event with a time to live begins no more once it is over, unless it is a dead letter " +
    "that a person sent again.",
  sees(fact, model, report) {
    const one = beginning(fact, model);
    const { ttlMs, delayMs = 0 } = one?.known.request ?? {};
    const { askedAt, answeredAt } = one?.known ?? {};
    if (!one || ttlMs === undefined || answeredAt === undefined || one.work.isRevived) return;
    if (delayMs > 0 || model.steppedAt >= askedAt!) return;
    const late = fact.at - (answeredAt + ttlMs);
    // Leased in time, it may wait in its consumer, behind others or for a batch. A lease that is
    // asked for by hand begins at once.
    const most = one.fact.until === undefined ? FETCHED_MS : 0;
    if (late > most && isCalm(model, askedAt!)) {
      report(`${one.text}, ${late} ms after it had expired`);
    }
  },
};

/** What consumers get. */
export const deliveryJudges: readonly Judge[] = [
  oneHolder,
  attemptsCount,
  doneStaysDone,
  keysKeepOrder,
  retriesWait,
  pausedIsQuiet,
  concurrencyHolds,
  expiredStays,
];
