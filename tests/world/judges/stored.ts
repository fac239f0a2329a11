/** What is stored: numbers, ids, expectations, batches, limits, schedules, redactions, damage. */
import type { Ending, Fact, Seen } from "../lives/fact.ts";
import type { Known, Model } from "../lives/model.ts";
import type { Judge, Report } from "./judge.ts";
import { isJustLost } from "./just_lost.ts";

/** The events that a fact shows to somebody, with their numbers. */
export function shownBy(fact: Fact, model: Model): Omit<Seen, "id">[] {
  switch (fact.is) {
    case "began":
    case "shown":
      return [fact.event];
    case "read":
      return [...fact.events];
    case "done":
      return (fact.receipts ?? []).filter(({ seq }) => seq > 0)
        .map((receipt) => ({ ...receipt, topic: model.events.get(receipt.n)?.sent.topic ?? "?" }));
    default:
      return [];
  }
}

/** An event in a sentence. */
export function named({ n, topic, seq }: { n: number; topic: string; seq?: number }): string {
  return `event ${n} (${topic} ${seq ?? "without a number"})`;
}

const nameOf = ({ sent: { n, topic }, seq }: Known) => named({ n, topic, seq });

/** The events of a topic and key that somebody has seen, in order. */
function ofKey(model: Model, topic: string, key: string): Known[] {
  return model.numbered(topic).filter(({ sent }) => sent.key === key);
}

/** The topics of a request, once each. */
function topicsOf({ request }: Known): string[] {
  return [...new Set(request.events.map(({ topic }) => topic))];
}

const oneNumber: Judge = {
  name: "one number, one event",
  promise: "4. Sequence numbers have no gaps",
  holds: "A number of a topic, once anybody has seen it, stands for one event for ever, and an " +
    "event has one number: nobody is shown what is lost later, and no number is given twice.",
  sees(fact, model, report) {
    for (const { n, topic, seq } of shownBy(fact, model)) {
      const log = model.log(topic);
      // The library, too, sends again what was not answered.
      const isForgotten = mayBeForgotten(model, n);
      const other = log.numbers.get(seq);
      const isLost = other !== undefined && isJustLost(model, other);
      if (other !== undefined && other !== n && !isLost) {
        report(`${topic} ${seq} is event ${n}, and was event ${other}`);
      }
      // What is gone with its topic or its file is sent as something new.
      const before = isForgotten ? undefined : model.events.get(n)?.seq;
      if (before !== undefined && before !== seq) {
        report(`${named({ n, topic, seq })} had the number ${before} before`);
      }
    }
  },
};

/**
 * True if a store may know no more that it has or had an event: its topic or file is gone, or the
 * wall clock was stepped by more than ids are remembered for.
 */
function mayBeForgotten(model: Model, n: number): boolean {
  const known = model.events.get(n);
  return known !== undefined &&
    (!model.log(known.sent.topic).isWhole || model.steppedAt > -Infinity);
}

const nothingInvented: Judge = {
  name: "nothing is invented",
  promise: "2. kill -9 loses nothing and invents nothing",
  holds: "Every event that somebody gets was sent, to this topic, with this key and this id, and " +
    "was not refused.",
  sees(fact, model, report) {
    for (const event of shownBy(fact, model)) {
      const known = model.events.get(event.n);
      if (!known) report(`${named(event)} was never sent`);
      else if (known.sent.topic !== event.topic) {
        report(`${named(event)} was sent to ${known.sent.topic}`);
      } else if (known.state === "refused" && fact.is !== "done") {
        report(`${named(event)} was refused`);
      }
      if (!known || fact.is === "done" || !("id" in event)) continue;
      const { key, id = event.id } = known.sent;
      if (!("redacted" in event) && event.key !== key) {
        report(`${named(event)} has the key ${event.key}, and was sent with ${key}`);
      }
      if (event.id !== id) {
        report(`${named(event)} has the id ${event.id}, and was sent with ${id}`);
      }
    }
  },
};

const acknowledgedIsThere: Judge = {
  name: "what was acknowledged is there",
  promise: "1. Acknowledged means durable",
  holds: "At the end every event that was acknowledged, or shown to anybody, is in its topic, " +
    "unless a limit may have deleted it, somebody removed its topic or damaged its file.",
  ends(ending, model, report) {
    for (const known of model.events.values()) {
      const topic = ending.topics.find(({ name }) => name === known.sent.topic);
      if (!model.mustBeThere(known)) continue;
      if (topic && known.seq! < topic.firstSeq && model.log(topic.name).mayDelete) continue;
      if (topic?.events.some(({ n, seq }) => n === known.sent.n && seq === known.seq)) continue;
      report(`${nameOf(known)} is gone`);
    }
  },
};

const noHoles: Judge = {
  name: "numbers have no holes",
  promise: "4. Sequence numbers have no gaps",
  holds: "What is there of a topic is numbered without a hole up to its end.",
  ends(ending, model, report) {
    for (const { name, firstSeq, lastSeq, events } of ending.topics) {
      if (model.log(name).isDamaged) continue;
      const seqs = events.map(({ seq }) => seq);
      const count = Math.max(0, lastSeq - firstSeq + 1);
      if (seqs.length === count && seqs.every((seq, i) => seq === firstSeq + i)) continue;
      report(`${name} goes from ${firstSeq} to ${lastSeq}, and has ${seqs.join(" ")}`);
    }
  },
};

const oncePerId: Judge = {
  name: "an id is stored once",
  promise: "1. Acknowledged means durable",
  holds: "An event is in its topic once, however often it was sent with its id.",
  ends(ending, model, report) {
    for (const { name, events } of ending.topics) {
      const seen = new Map<number, number>();
      for (const { n, seq } of events) {
        if (seen.has(n) && !mayBeForgotten(model, n)) {
          report(`event ${n} is ${name} ${seen.get(n)} and ${name} ${seq}`);
        }
        seen.set(n, seq);
      }
    }
  },
};

const publishersOrder: Judge = {
  name: "a publisher's order is kept",
  promise: "4. Sequence numbers have no gaps",
  holds: "Events of one publisher are in a topic in the order in which it sent them.",
  ends(ending, model, report) {
    for (const [topic, log] of model.logs) {
      const there = ending.topics.find(({ name }) => name === topic)?.events ?? [];
      const last = new Map<string, Known>();
      for (const known of firstStored(model, { topic, there })) {
        const { sent: { n }, request: { publisher, delayMs }, askedAt } = known;
        if (delayMs !== undefined || isRepeated(model, n)) continue;
        // Where it was stored first is unknown.
        if (log.mayDelete && model.steppedAt >= askedAt) continue;
        // Others may have got the numbers of those that went with a file.
        if (isJustLost(model, n) && !there.some((one) => one.n === n)) continue;
        const before = last.get(publisher);
        if (before && before.ask > known.ask) {
          report(`${publisher} sent ${nameOf(known)} before ${nameOf(before)}`);
        }
        last.set(publisher, known);
      }
    }
  },
};

/**
 * The events of a topic in the order in which they were stored for the first time. What a store has
 * forgotten, because the clock was stepped, it stores a second time when it is sent again.
 */
function firstStored(
  model: Model,
  { topic, there }: { topic: string; there: readonly Seen[] },
): Known[] {
  const numbers = [...model.log(topic).numbers, ...there.map(({ seq, n }) => [seq, n] as const)];
  const ns = new Set(numbers.sort(([a], [b]) => a - b).map(([, n]) => n));
  return [...ns].flatMap((n) => model.events.get(n) ?? []);
}

/** It was sent more than once: the second time may be the one that stored it. */
function isRepeated(model: Model, n: number): boolean {
  let count = 0;
  for (const request of model.requests.values()) {
    if (request.to === "publish" && request.events.some((event) => event.n === n)) count++;
  }
  return count > 1;
}

const allOrNothing: Judge = {
  name: "all or nothing",
  promise: "All or nothing over several topics",
  holds: "Of events that were published together, in one topic or in several, all are stored or " +
    "none is.",
  ends(ending, model, report) {
    for (const known of model.events.values()) {
      const { request } = known;
      if (!request.together || request.events[0]?.n !== known.sent.n) continue;
      if (topicsOf(known).some((topic) => !model.log(topic).isWhole)) continue;
      const all = request.events.map(({ n }) => model.events.get(n)!);
      if (all.some((one) => isRepeated(model, one.sent.n))) continue;
      const there = all.filter(({ sent: { n, topic } }) =>
        ending.topics.find(({ name }) => name === topic)?.events.some((event) => event.n === n)
      );
      if (there.length === 0 || there.length === all.length) continue;
      const text = (some: Known[]) => some.map(({ sent }) => sent.n).join(", ");
      report(`of the events ${text(all)}, which were sent together, only ${text(there)} are there`);
    }
  },
};

const expectedHolds: Judge = {
  name: "what was expected held",
  promise: "Concurrent writers of one version conflict",
  holds: "An event that was published with an expectation is stored only on top of what was " +
    "expected: nothing of its key, or of its topic, lies in between.",
  ends(_ending, model, report) {
    for (const known of model.events.values()) {
      const { request: { expected, events }, seq, sent: { topic, key } } = known;
      const isFirst = events.find((event) => event.topic === topic)?.n === known.sent.n;
      if (expected === undefined || seq === undefined || !isFirst) continue;
      if (!model.log(topic).isWhole || isRepeated(model, known.sent.n)) continue;
      const all = key === undefined ? model.numbered(topic) : ofKey(model, topic, key);
      // docs/adr/0042: a redacted event is not found under its key any more.
      if (key !== undefined && all.some(({ redaction }) => redaction)) continue;
      const fault = expectationFault(expected, { before: beforeOf(known, model), known });
      if (fault) report(`${nameOf(known)} was stored, though ${fault}`);
    }
  },
};

/** What lies before an event: of its key, if it has one. */
function beforeOf({ seq, sent: { topic, key } }: Known, model: Model): Numbered | undefined {
  // An event that a store had forgotten has two numbers: `seq` is only the last one.
  return [...model.log(topic).numbers].sort(([a], [b]) => a - b)
    .map(([seq, n]) => ({ seq, sent: model.events.get(n)!.sent }))
    .filter((one) => one.seq < seq! && (key === undefined || one.sent.key === key)).at(-1);
}

type Numbered = Pick<Known, "sent"> & { seq: number };

function expectationFault(
  expected: NonNullable<Known["request"]["expected"]>,
  { before, known }: { before: Numbered | undefined; known: Known },
): string | undefined {
  const there = before ? named({ ...before.sent, seq: before.seq }) : "nothing";
  if (expected === "none") return before && `nothing was expected, and ${there} is before it`;
  if (expected === "exists") return before ? undefined : "something was expected before it";
  if ("keySeq" in expected) {
    return known.keySeq === expected.keySeq + 1
      ? undefined
      : `it expected number ${expected.keySeq} of its key, and is number ${known.keySeq}`;
  }
  if ((before?.seq ?? 0) === expected.seq) return undefined;
  return `${expected.seq} was expected, and ${there} is before it`;
}

const keyNumbers: Judge = {
  name: "keys are numbered",
  promise: "The number of an event within its key is never used twice",
  holds: "The events of a key of a topic are numbered 1, 2, 3… in their order; of what is left " +
    "after deletions, each number is higher than the one before.",
  ends(ending, model, report) {
    for (const { name, events } of ending.topics) {
      const last = new Map<string, number>();
      for (const { n, seq, key, keySeq, redacted } of events) {
        if (redacted || key === undefined) continue;
        const log = model.log(name);
        const before = last.get(key) ?? 0;
        const isNext = log.isWhole && !hasRedacted(model, name)
          ? keySeq === before + 1
          : keySeq !== undefined && keySeq > before;
        // A damaged line is nobody's event, and one again when its index is lost: if no other event
        // of the key was left meanwhile, the key has begun anew.
        const isFirst = keySeq === 1 || log.mayDelete;
        if (!isNext && !(isFirst && isStoredAfterDamage(model, { n, topic: name }))) {
          report(`${named({ n, topic: name, seq })} is number ${keySeq} of ${key} after ${before}`);
        }
        last.set(key, keySeq ?? before);
      }
    }
  },
};

/** True if an event may have been stored when its topic had been damaged. */
function isStoredAfterDamage(model: Model, { n, topic }: { n: number; topic: string }): boolean {
  const { answeredAt = Infinity } = model.events.get(n)!;
  return answeredAt > (model.log(topic).damages[0]?.at ?? Infinity);
}

const oneKeyNumber: Judge = {
  name: "one number of a key, one event",
  promise: "The number of an event within its key is never used twice",
  holds: "A number of a key, once anybody has seen it, stands for one event for ever, also when " +
    "that is deleted, and an event has one number within its key, as long as nobody damages files.",
  sees(fact, model, report) {
    for (const event of shownBy(fact, model)) judgeKeyNumber(event, model, report);
  },
  ends({ topics }, model, report) {
    for (const { events } of topics) {
      for (const event of events) judgeKeyNumber(event, model, report);
    }
  },
};

function judgeKeyNumber(
  { n, topic, seq, keySeq }: Omit<Seen, "id">,
  model: Model,
  report: Report,
): void {
  const known = model.events.get(n);
  const log = model.log(topic);
  // Redaction takes the key from an event: what it was sent with tells the key.
  const key = known?.sent.key;
  if (!known || key === undefined || keySeq === undefined) return;
  // A key of which damage has left nothing begins anew.
  if (log.isDamaged) return;
  const text = `${named({ n, topic, seq })} is number ${keySeq} of ${key}`;
  for (const { sent: other, keySeq: taken } of model.events.values()) {
    if (other.n === n || other.topic !== topic || other.key !== key || taken !== keySeq) continue;
    report(`${text}, and event ${other.n} was`);
  }
  // What a store may have forgotten is stored again when it is sent again, as something new.
  if (known.keySeq === undefined || known.keySeq === keySeq || mayBeForgotten(model, n)) return;
  report(`${text}, and was ${known.keySeq}`);
}

function hasRedacted(model: Model, topic: string): boolean {
  return [...model.events.values()].some(({ sent, redaction }) =>
    sent.topic === topic && redaction
  );
}

const limitsKeep: Judge = {
  name: "limits delete no more than they say",
  promise: "5. At least once",
  holds: "A topic that only ever had a limit on the number of events has at least that many of " +
    "the newest.",
  ends(ending, model, report) {
    for (const { name, firstSeq, lastSeq } of ending.topics) {
      const { limits, goneUpTo, isDamaged } = model.log(name);
      const isByCount = limits.every((one) =>
        !one.maxBytes && !one.retentionPeriod && one.drop !== "consumed"
      );
      if (goneUpTo >= 0 || isDamaged || !isByCount) continue;
      const counts = limits.flatMap(({ maxEvents }) => maxEvents || []);
      const most = counts.length === 0 ? Infinity : Math.min(...counts);
      const highest = Math.max(1, lastSeq - most + 1);
      if (firstSeq > highest) {
        report(`${name} begins at ${firstSeq}, and ${highest} is within its limits`);
      }
    }
  },
};

const scheduledOnce: Judge = {
  name: "a scheduled event is published once, when it is due",
  promise: "A scheduled event is published once",
  holds: "An event that was accepted with a delay is not there before it is over, is there or " +
    "listed at the end, and is not published after it was cancelled.",
  sees(fact, model, report) {
    for (const event of shownBy(fact, model)) {
      const known = model.events.get(event.n);
      const delayMs = known?.request.delayMs;
      if (!known || delayMs === undefined || known.seq !== undefined) continue;
      // Sent again after an answer was lost, it is for now.
      if (isRepeated(model, event.n)) continue;
      if (known.cancel === "done") report(`${named(event)} was cancelled before`);
      const early = known.askedAt + delayMs - fact.at;
      if (model.steppedAt < known.askedAt && early > 0) {
        report(`${named(event)} came ${early} ms early`);
      }
    }
  },
  ends(ending, model, report) {
    for (const known of model.events.values()) {
      const { sent: { n, topic }, state, cancel, request: { delayMs }, askedAt } = known;
      if (delayMs === undefined || state !== "scheduled" || cancel) continue;
      if (model.log(topic).goneUpTo >= known.ask || model.log(topic).isDamaged) continue;
      const there = ending.topics.find(({ name }) => name === topic);
      if (ending.scheduled.includes(n) || there?.events.some((event) => event.n === n)) continue;
      if (model.log(topic).mayDelete && askedAt + delayMs < ending.at) continue;
      report(`${nameOf(known)} was accepted for later, and is neither there nor listed`);
    }
  },
};

const redactedGone: Judge = {
  name: "redacted is gone",
  promise: "33. Redacted is gone",
  holds: "What an event said is in no file and reaches nobody once it was redacted.",
  sees(fact, model, report) {
    if (fact.is === "done") return;
    for (const event of shownBy(fact, model)) {
      // Under another number it is another event ("one number, one event" says whether it may be).
      const redactedAt = model.events.get(event.n)?.redactedAt.get(event.seq);
      if (redactedAt === undefined || ("redacted" in event && event.redacted)) continue;
      if (mayBeFromBefore(fact, { n: event.n, redactedAt }, model)) continue;
      report(`${named(event)} was redacted, and somebody got what it said`);
    }
  },
  ends(ending, model, report) {
    for (const { n, file, seqs } of ending.contents) {
      // docs/adr/0042: copies of damaged files stay as they are.
      if (file.includes("/quarantine/")) continue;
      const known = model.events.get(n)!;
      // So does a damaged line. What was in it may have been stored again, as another number.
      const isOther = seqs?.every((seq) => !known.redactedAt.has(seq));
      if (model.log(known.sent.topic).isDamaged && isOther) continue;
      // One that was redacted, and one that a store has from a publisher who sent it again.
      if (isRepeated(model, n) && mayBeForgotten(model, n)) continue;
      report(`${nameOf(known)} was redacted, and ${file} has what it said`);
    }
  },
};

/** So long an answer may be on its way, if nothing was disturbed meanwhile. */
const ON_ITS_WAY_MS = 5_000;

/**
 * True if somebody may have been given an event before it was redacted, and only gets to it now.
 * docs/adr/0042: a consumer that has it is not interrupted, and it may have it behind others that
 * take long.
 */
function mayBeFromBefore(
  fact: Fact,
  { n, redactedAt }: { n: number; redactedAt: number },
  model: Model,
): boolean {
  if (fact.is === "read") return fact.askedAt < redactedAt;
  if (fact.is !== "began" || fact.until !== undefined) {
    return fact.at < Math.max(redactedAt, model.disturbedAt) + ON_ITS_WAY_MS;
  }
  const work = model.subscriptions.get(fact.subscription)?.find(n);
  if (work && model.look(work, fact.at).isSure && model.steppedAt < work.beganAt) {
    // For its next attempt it was leased after the last one had failed, and waited.
    if (Math.max(work.endedAt, work.dueAt) > redactedAt) return false;
  }
  return model.leasedAfter(fact) < redactedAt;
}

const damageIsTold: Judge = {
  name: "damage is told, and nothing else",
  promise: "9. Damage is detected, reported and kept",
  holds:
    "Where a file was damaged and acknowledged events are missing, damage is reported; where " +
    "nobody damaged anything, none is.",
  ends(ending: Ending, model, report) {
    const damaged = [...model.logs].filter(([, { isDamaged }]) => isDamaged);
    if (!model.isDamaged) {
      const isRedacting = [...model.events.values()].some(({ redaction }) => redaction === "asked");
      for (const what of ending.damage) {
        // One that was refused for want of room is told until somebody asks for it again.
        if (isRedacting && what.startsWith("the redaction of")) continue;
        // docs/adr/0023: only times tell whether a start that its disk failed has closed a log.
        const isOfTimes = model.hasDiskFailed && model.steppedAt > -Infinity;
        if (isOfTimes && what.includes("-wal: it is gone, and the daemon was killed")) continue;
        report(`nobody damaged anything, and it says: ${what}`);
      }
      return;
    }
    if (ending.damage.length > 0 || model.hasLostReports) return;
    for (const [name, log] of damaged) {
      const there = ending.topics.find((topic) => topic.name === name);
      for (const known of model.numbered(name)) {
        if (known.ask <= log.goneUpTo || log.mayDelete) continue;
        if (isJustLost(model, known.sent.n)) continue;
        if (there?.events.some(({ n }) => n === known.sent.n)) continue;
        report(`${nameOf(known)} is gone with the damage, and nothing is said of it`);
      }
    }
  },
};

/** What is stored. */
export const storeJudges: readonly Judge[] = [
  oneNumber,
  nothingInvented,
  acknowledgedIsThere,
  noHoles,
  oncePerId,
  publishersOrder,
  allOrNothing,
  expectedHolds,
  keyNumbers,
  oneKeyNumber,
  limitsKeep,
  scheduledOnce,
  redactedGone,
  damageIsTold,
];
