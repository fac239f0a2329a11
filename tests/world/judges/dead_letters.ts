/** What operators find in the list of dead letters. */
import type { Dead, Ending } from "../lives/fact.ts";
import type { Consumption, Known, Model, Work } from "../lives/model.ts";
import type { Judge } from "./judge.ts";
import { named } from "./stored.ts";

/** What is known of a dead letter that is listed. */
function knownOf(
  { subscription: name, n }: Dead,
  { at, model }: { at: number; model: Model },
): { subscription: Consumption; work: Work } | undefined {
  const subscription = model.subscriptions.get(name);
  return subscription && { subscription, work: model.look(subscription.find(n), at) };
}

const hasCause: Judge = {
  name: "a dead letter has its cause",
  promise: "6. Retry, dead letter and cursor move together",
  holds: "A dead letter says why, and has all the attempts that were answered.",
  ends({ at, dead }, model, report) {
    for (const one of dead) {
      const known = knownOf(one, { at, model });
      const text = `the dead letter ${named(one)} of ${one.subscription}`;
      if (one.reason === "") report(`${text} has no reason`);
      if (!known || known.subscription.isLoose) continue;
      const { low, high } = known.work;
      // Where deliveries ended without an answer, the last one stands in the list, too.
      const most = high + Math.min(1, one.unanswered) + known.subscription.lostLeases;
      if (one.attempts >= low && one.attempts <= most) continue;
      report(`${text} has ${one.attempts} attempts, and ${low} to ${high} were answered`);
    }
  },
};

const diedRightly: Judge = {
  name: "only what failed is dead",
  promise: "6. Retry, dead letter and cursor move together",
  holds:
    "An event is a dead letter only if a handler gave it up, its retries are used up, or too " +
    "many deliveries ended without an answer.",
  ends({ at, dead }, model, report) {
    for (const one of dead) {
      const known = knownOf(one, { at, model });
      if (!known) {
        report(`${one.subscription} has a dead letter, and was never there`);
      } else if (
        !known.subscription.isLoose && !model.mayHaveDied(known.subscription, known.work)
      ) {
        const { high, granted, cuts } = known.work;
        report(
          `${named(one)} is dead for ${one.subscription} after ${high - granted} failures and ` +
            `${cuts} deliveries without an answer: ${one.reason}`,
        );
      }
    }
  },
};

/** True if a limit of the topic, or a person, may have removed a dead letter. */
function mayBeRemoved(
  ending: Ending,
  model: Model,
  of: { topic: string; subscription: string; n: number },
) {
  if (model.log(of.topic).limits.some((one) => one.deadMax || one.deadRetention)) return true;
  return [...model.requests.values()].some((request) =>
    (request.to === "remove dead" || request.to === "retry dead") &&
    request.entries.some(({ subscription, n }) => subscription === of.subscription && n === of.n)
  ) && !ending.dead.some(({ subscription, n }) => subscription === of.subscription && n === of.n);
}

/**
 * True if an event had expired when a consumer began with it, which had fetched it long before:
 * what comes of it does not count.
 */
function hasExpiredBefore({ request: { ttlMs }, answeredAt }: Known, { beganAt }: Work): boolean {
  return ttlMs !== undefined && answeredAt !== undefined && beganAt > answeredAt + ttlMs;
}

function countsExpired(
  { subscriptions }: Ending,
  of: { name: string; topic: string },
): boolean {
  const info = subscriptions.find(({ name }) => name === of.name);
  return info?.expired.some(({ topic }) => topic === of.topic) ?? false;
}

const neverLost: Judge = {
  name: "a dead letter is never lost",
  promise: "6. Retry, dead letter and cursor move together",
  holds:
    "What a subscription gave up on is listed until somebody removes it, a limit does, or it " +
    "was sent again and handled.",
  ends(ending, model, report) {
    for (const { name, works, isLoose } of model.subscriptions.values()) {
      for (const work of isLoose ? [] : works.values()) {
        const known = model.events.get(work.n);
        // What was redacted meanwhile is done, whatever its handler says.
        if (!known || known.redaction) continue;
        const { sent: { topic }, seq } = known;
        if (work.state !== "dead" || !model.isKept(work, ending.at)) continue;
        if (ending.dead.some(({ subscription, n }) => subscription === name && n === work.n)) {
          continue;
        }
        if (mayBeRemoved(ending, model, { topic, subscription: name, n: work.n })) continue;
        if (hasExpiredBefore(known, work) && countsExpired(ending, { name, topic })) continue;
        report(`${named({ n: work.n, topic, seq })} is dead for ${name}, and is not listed`);
      }
    }
  },
};

/** Dead letters. */
export const deadLetterJudges: readonly Judge[] = [hasCause, diedRightly, neverLost];
