/** What is left when all faults have stopped and everything had time to settle. */
import type { Ending } from "../lives/fact.ts";
import type { Consumption, Known, Model } from "../lives/model.ts";
import type { Judge } from "./judge.ts";
import { named } from "./stored.ts";

/** The events that a subscription has to deal with, and that are or were in its topics. */
function eventsOf(subscription: Consumption, model: Model): Known[] {
  return [...model.logs.keys()].filter((topic) => subscription.takes(topic))
    .flatMap((topic) => model.numbered(topic));
}

/** Why an event needs no outcome; undefined if it does. */
function excuse(
  { sent: { n, topic }, seq, request, redaction, ask }: Known,
  { ending, model, name }: { ending: Ending; model: Model; name: string },
): string | undefined {
  const info = ending.subscriptions.find((one) => one.name === name);
  const log = model.log(topic);
  if (ask <= log.goneUpTo) return "its topic was removed";
  if (log.isDamaged) return "its file was damaged";
  if (redaction) return "it was redacted";
  if (info?.missed.some((one) => one.topic === topic && one.from <= seq! && seq! <= one.to)) {
    return "it is counted as missed";
  }
  const cursor = info?.cursors.find((one) => one.topic === topic);
  if (request.ttlMs !== undefined && info?.expired.some((one) => one.topic === topic)) {
    return "it may have expired, and such are counted";
  }
  if (log.mayDelete && cursor && !model.subscriptions.get(name)!.works.get(n)) {
    return seq! < cursor.next
      ? "it may have been deleted before the subscription began"
      : undefined;
  }
  return undefined;
}

const everythingIsHandled: Judge = {
  name: "every event is handled",
  promise: "5. At least once",
  holds: "At the end a named subscription that is not paused has done every event of its topics, " +
    "or has it as a dead letter, or says what it missed.",
  ends(ending, model, report) {
    for (const subscription of model.subscriptions.values()) {
      const { name, isLoose, isMade } = subscription;
      const info = ending.subscriptions.find((one) => one.name === name);
      if (!isMade || isLoose) continue;
      if (!info) report(`the subscription ${name} is gone`);
      if (!info || info.paused) continue;
      for (const known of eventsOf(subscription, model)) {
        const { state, isPerhapsDone } = subscription.find(known.sent.n);
        if (state === "done" || state === "dead" || isPerhapsDone) continue;
        const isDead = ending.dead.some((one) =>
          one.subscription === name && one.n === known.sent.n
        );
        if (isDead || excuse(known, { ending, model, name })) continue;
        report(
          `${named({ ...known.sent, seq: known.seq })} was never handled by ${name} (${state})`,
        );
      }
    }
  },
};

const countsAgree: Judge = {
  name: "the counts agree with what is there",
  promise: "6. Retry, dead letter and cursor move together",
  holds: "At the end nothing is pending, leased or scheduled for a retry in a subscription that " +
    "is not paused, and it counts as many dead letters as are listed.",
  ends({ subscriptions, dead }, _model, report) {
    for (const { name, paused, pending, leased, scheduled, dead: count } of subscriptions) {
      const listed = dead.filter(({ subscription }) => subscription === name).length;
      if (listed !== count) {
        report(`${name} counts ${count} dead letters, and ${listed} are listed`);
      }
      if (paused || pending + leased + scheduled === 0) continue;
      report(
        `${name} has ${pending} pending, ${leased} leased and ${scheduled} waiting for a retry`,
      );
    }
  },
};

const oneState: Judge = {
  name: "an event is in one state",
  promise: "6. Retry, dead letter and cursor move together",
  holds: "What was done for a subscription is not among its dead letters, and no dead letter is " +
    "listed twice.",
  ends({ at, dead }, model, report) {
    const seen = new Set<string>();
    for (const one of dead) {
      const name = `${one.subscription} ${one.topic} ${one.n}`;
      if (seen.has(name)) report(`${named(one)} is listed twice for ${one.subscription}`);
      seen.add(name);
      const subscription = model.subscriptions.get(one.subscription);
      const work = subscription?.works.get(one.n);
      if (!subscription || !work || subscription.isLoose || work.state !== "done") continue;
      if (model.isKept(work, at)) {
        report(`${named(one)} was done by ${one.subscription}, and is dead`);
      }
    }
  },
};

const restartChangesNothing: Judge = {
  name: "a restart changes nothing",
  promise: "19. SIGTERM drains",
  holds: "After an orderly stop and a start, topics have the events that they had, and the same " +
    "dead letters are listed; what limits delete is left aside.",
  ends({ topics, dead, again }, model, report) {
    if (!again) return;
    for (const { name, events, lastSeq } of topics) {
      const later = again.topics.find((topic) => topic.name === name);
      if (later?.lastSeq !== lastSeq) {
        report(`${name} ended at ${lastSeq}, and at ${later?.lastSeq}`);
      }
      if (model.log(name).mayDelete) continue;
      // A start finishes a redaction: what events say is not compared.
      const [before, after] = [events, later?.events ?? []]
        .map((all) => all.map(({ seq, n }) => `${seq}=${n}`).join(" "));
      if (before !== after) report(`${name} had ${before}, and has ${after}`);
    }
    const namesOf = (all: Ending["dead"]) =>
      all.filter(({ topic }) => !model.log(topic).limits.some((one) => one.deadMax))
        .map(({ subscription, topic, seq }) => `${subscription} ${topic} ${seq}`).sort().join();
    if (namesOf(dead) === namesOf(again.dead)) return;
    report(`the dead letters were ${namesOf(dead)}, and are ${namesOf(again.dead)}`);
  },
};

const everythingIsAnswered: Judge = {
  name: "every request is answered",
  promise: "Every request gets an answer",
  holds: "Every request gets an answer, or an error that says that none will come.",
  ends(_ending, model, report) {
    for (const ask of model.open) {
      report(`request ${ask} has no answer: ${JSON.stringify(model.requests.get(ask))}`);
    }
  },
};

const nothingUnexpected: Judge = {
  name: "no bug of ours is reported",
  promise: "Nothing is swallowed",
  holds: "As long as no disk fails, no error is reported or answered that says that it is our bug.",
  sees(fact, model, report) {
    if (model.hasDiskFailed) return;
    if (fact.is === "reported" && fact.code.startsWith("internal")) {
      report(`${fact.context}: ${fact.text}`);
    }
    if ((fact.is === "refused" || fact.is === "lost") && fact.code.startsWith("internal")) {
      report(`request ${fact.ask} was answered with ${fact.code}`);
    }
  },
};

/** The end. */
export const endJudges: readonly Judge[] = [
  everythingIsHandled,
  countsAgree,
  oneState,
  restartChangesNothing,
  everythingIsAnswered,
  nothingUnexpected,
];
