/**
 * What has to be so, as far as it can be known from outside. The model takes facts and forms an
 * opinion: which events are certainly stored and which may be, and what each subscription has done
 * with them. It judges nothing.
 *
 * Not everything is known. A request whose answer was lost was done or not (`maybe`). An outcome
 * that was on its way when something was disturbed was kept or not: then attempts are between a
 * lowest and a highest number. Where somebody moved a cursor, removed something or damaged a file,
 * the model says so (`isLoose`, `isWhole`) instead of guessing what is right.
 */
import type { Fact, Outcome, Request, Seen } from "./fact.ts";
import { Consumption, type Known, Log, type Run, type Work } from "./known.ts";
import { WrittenDown } from "./written_down.ts";

export { Consumption, type Known, Log, type Run, type Work };

/** An outcome is kept this long after its handler ended, if nothing was disturbed meanwhile, ms. */
export const COMMIT_MS = 2_000;

/** So long after a disturbance consumers may have events that are not theirs any more, ms. */
const STALE_MS = 10_000;

/** The opinion. */
export class Model {
  readonly events = new Map<number, Known>();
  readonly logs = new Map<string, Log>();
  readonly subscriptions = new Map<string, Consumption>();
  readonly runs = new Map<number, Run>();
  /** All requests by number, and those that have no answer yet. */
  readonly requests = new Map<number, Request>();
  readonly open = new Set<number>();
  /** When a consumer began with a subscription, by both, and by `at`. */
  readonly #begun = new Map<string, number>();
  readonly #leasedAfter = new Map<string, number>();
  /** By request: dead letters that were to be sent again, as they were before. */
  readonly #revived = new Map<number, { work: Work; before: Work }[]>();
  /** By request: the last one that was asked before its answer came. */
  readonly #askedBefore = new Map<number, number>();
  readonly #positions = new Map<string, { seq: number; n?: number }>();
  /** When the connections, processes and disks were last disturbed, and the wall clock stepped. */
  disturbedAt = -Infinity;
  /** The disk failed at least once: then it may be answered that something unforeseen happened. */
  hasDiskFailed = false;
  /** Somebody damaged a file. */
  isDamaged = false;
  /** It was one in which damage was written down that is reported. */
  hasLostReports = false;
  /** How many disturbances last. */
  disturbances = 0;
  steppedAt = -Infinity;
  readonly writtenDown = new WrittenDown();

  log(topic: string): Log {
    const log = this.logs.get(topic) ?? new Log();
    this.logs.set(topic, log);
    return log;
  }

  /** The events of a topic that somebody has seen, in order. */
  numbered(topic: string): Known[] {
    return [...this.log(topic).numbers].sort(([a], [b]) => a - b).map(([, n]) =>
      this.events.get(n)!
    );
  }

  /** True if there is no known reason for which an event could be gone. */
  mustBeThere({ sent: { topic }, state, ask }: Known): boolean {
    const log = this.log(topic);
    return state === "stored" && ask > log.goneUpTo && !log.isDamaged;
  }

  /** True if the last outcome of a work was certainly kept. */
  isKept({ isSure, inDoubt, endedAt }: Work, now: number): boolean {
    return isSure || (!inDoubt && now > endedAt + COMMIT_MS);
  }

  /** Fixes what has become certain meanwhile: to be called before a work is looked at. */
  look(work: Work, now: number): Work {
    if (work.lapse && work.lapse.at <= now) {
      // The lease has run out, and that was a failed attempt if the daemon ran.
      work.high = Math.max(work.high, work.lapse.attempt);
      work.unsure = work.high - work.low;
      work.lapse = undefined;
    }
    if (work.state !== "running" && this.isKept(work, now)) {
      work.isSure = true;
      work.low = work.high - work.unsure;
    }
    return work;
  }

  take(fact: Fact): void {
    if (this.disturbances > 0) this.disturbedAt = fact.at;
    this.writtenDown.take(fact);
    switch (fact.is) {
      case "asked":
        this.open.add(fact.ask);
        this.requests.set(fact.ask, fact.request);
        return this.#asked(fact.request, fact);
      case "done":
      case "refused":
      case "lost":
        this.open.delete(fact.ask);
        return this.#answered(this.requests.get(fact.ask), fact);
      case "began":
        this.see(fact.event);
        return this.#begins(fact);
      case "ended":
        return this.#ends(this.runs.get(fact.run), fact);
      case "read":
        return fact.events.forEach((event) => this.see(event));
      case "shown":
        this.see(fact.event);
        return void this.#positions.set(`${fact.reader} ${fact.event.topic}`, fact.event);
      case "missed":
        return void this.#positions.set(`${fact.reader} ${fact.topic}`, { seq: fact.to });
      case "gone":
        for (const run of this.runs.values()) {
          if (run.holder === fact.holder) this.#ends(run, { ...fact, outcome: "cut", sure: false });
        }
        return this.#disturbed(fact.at);
      case "down":
        return this.#disturbed(fact.at);
      case "disturbed":
        this.disturbances += fact.by ?? 0;
        this.hasDiskFailed ||= fact.what === "disk fault";
        return this.#disturbed(fact.at);
      case "clock stepped":
        this.steppedAt = fact.at;
        return;
      case "damaged":
        this.isDamaged = true;
        this.hasLostReports ||= fact.what.includes("/quarantine/");
        for (const [name, log] of this.logs) {
          if ((fact.topic ?? name) !== name) continue;
          log.damages.push({ at: fact.at, writtenUpTo: this.writtenDown.upTo });
        }
    }
  }

  /** The last number that a follower got, with its event, or was told that it missed. */
  position(reader: string, topic: string): { seq: number; n?: number } | undefined {
    return this.#positions.get(`${reader} ${topic}`);
  }

  /** When a consumer asked for a subscription last; what it runs since then is that one's. */
  begunAt({ holder, subscription }: Pick<Run, "holder" | "subscription">): number {
    return this.#begun.get(`${holder} ${subscription}`) ?? -Infinity;
  }

  /** What a consumer begins now was leased after this: what came first begins first. */
  leasedAfter({ holder, subscription }: Pick<Run, "holder" | "subscription">): number {
    return this.#leasedAfter.get(`${holder} ${subscription}`) ?? -Infinity;
  }

  /**
   * True if what a consumer begins is what the broker gave it just now. After a disturbance it may
   * begin what it had fetched before, and what others have had meanwhile.
   */
  isFresh({ holder, subscription, at, until }: Fact & { is: "began" }): boolean {
    const begunAt = this.begunAt({ holder, subscription });
    return until !== undefined || begunAt > this.disturbedAt || at > this.disturbedAt + STALE_MS;
  }

  #disturbed(at: number): void {
    for (const { works } of this.subscriptions.values()) {
      for (const work of works.values()) {
        work.inDoubt = !this.look(work, at).isSure || work.state === "running";
      }
    }
    this.disturbedAt = at;
  }

  /**
   * Which event somebody has whose content does not tell. Its number may have been given to another
   * one when a file was gone: the id comes first.
   */
  which({ topic, seq, id }: Pick<Seen, "topic" | "seq" | "id">): number {
    const ofId = [...this.events.values()].find((one) => one.sent.topic === topic && one.id === id);
    return ofId?.sent.n ?? this.log(topic).numbers.get(seq) ?? -1;
  }

  /** Somebody has an event with this number. */
  see({ n, topic, seq, keySeq, id }: Omit<Seen, "id"> & { id?: string }): void {
    const known = this.events.get(n);
    if (!known || seq === 0) return;
    this.log(topic).numbers.set(seq, n);
    known.seq = seq;
    if (keySeq !== undefined) known.keySeq = keySeq;
    known.id ??= id;
    known.shownAfter ??= this.writtenDown.now;
    known.state = "stored";
  }

  #asked(request: Request, { ask, at }: { ask: number; at: number }): void {
    switch (request.to) {
      case "publish":
        for (const sent of request.events) {
          this.log(sent.topic);
          const known = this.events.get(sent.n);
          if (known?.state === "refused") known.state = "asked";
          if (known) continue;
          const { n, id } = sent;
          const state = { state: "asked" as const, redactedAt: new Map() };
          this.events.set(n, { sent, id, ask, request, askedAt: at, ...state });
        }
        return;
      case "create topic":
      case "change topic":
        return void this.log(request.topic).limits.push(request.limits);
      case "remove topic":
        this.log(request.topic).goneUpTo = Infinity;
        for (const one of this.subscriptions.values()) one.isLoose ||= one.takes(request.topic);
        return;
      case "subscribe": {
        const { name, holder } = request;
        this.#begun.set(`${holder} ${name}`, at);
        this.#leasedAfter.set(`${holder} ${name}`, at);
        if (!this.subscriptions.has(name)) this.subscriptions.set(name, new Consumption(request));
        return;
      }
      case "remove subscription":
      case "seek":
        return this.#change(request.name, (one) => one.isLoose = true);
      case "resume":
        return this.#change(request.name, (one) => delete one.paused);
      case "retry now":
        return this.#change(request.name, ({ works }) => {
          for (const work of works.values()) work.dueAt = 0;
        });
      case "retry dead":
        for (const entry of request.entries) this.#revive(entry, ask);
        return;
      case "redact":
        this.events.get(request.n)!.redaction ??= "asked";
        return;
      case "cancel":
        this.events.get(request.n)!.cancel ??= "asked";
    }
  }

  #change(name: string, change: (subscription: Consumption) => unknown): void {
    const subscription = this.subscriptions.get(name);
    if (subscription) change(subscription);
  }

  #revive({ subscription: name, n }: { subscription: string; n: number }, ask: number): void {
    this.#change(name, (subscription) => {
      const work = subscription.work(n);
      this.#revived.set(ask, [...this.#revived.get(ask) ?? [], { work, before: { ...work } }]);
      if (work.state !== "running") work.state = "waiting";
      Object.assign(work, { granted: work.high, dueAt: 0, isRevived: true, isGivenUp: false });
    });
  }

  /** Nothing was sent again. */
  #unrevive(ask: number): void {
    for (const { work, before } of this.#revived.get(ask) ?? []) {
      if (work.beganAt !== before.beganAt || work.endedAt !== before.endedAt) continue;
      // Who asked for the same meanwhile took it for sent again.
      const later = [...this.#revived].filter(([other]) => other > ask && this.open.has(other))
        .flatMap(([, all]) => all).find((one) => one.work === work);
      if (later) later.before = before;
      else Object.assign(work, before);
    }
  }

  /** Something was sent again, or nothing. */
  #doubtRevival(ask: number): void {
    for (const { work, before } of this.#revived.get(ask) ?? []) {
      if (work.beganAt === before.beganAt) work.isPerhapsDead = true;
    }
  }

  /** True if another request had no answer yet when this one was asked, or was asked since then. */
  #wasBeside(ask: number, other: number): boolean {
    return other !== ask && (this.#askedBefore.get(other) ?? Infinity) >= ask;
  }

  /** Of several who pause it and resume it at the same time, anybody may be the last. */
  #paused(
    { name, forMs }: Request & { to: "pause" },
    { ask, at }: { ask: number; at: number },
  ): void {
    const lasts = [forMs ?? Infinity];
    for (const [other, request] of this.requests) {
      if (!this.#wasBeside(ask, other) || !("name" in request) || request.name !== name) continue;
      if (request.to === "resume") lasts.push(0);
      if (request.to === "pause") lasts.push(request.forMs ?? Infinity);
    }
    const until = at + Math.min(...lasts);
    this.#change(name, (one) => one.paused = { since: at, until });
  }

  /** Of those who ask to send a dead letter again, and to remove it, at the same time, one wins. */
  #doubtBeside(ask: number, { entries }: Request & { to: "remove dead" }): void {
    const removed = entries.map(({ subscription, n }) =>
      this.subscriptions.get(subscription)?.works.get(n)
    );
    for (const [other, all] of this.#revived) {
      // Who asked for one alone is told whether that was there.
      if (!this.#wasBeside(ask, other) || all.length === 1) continue;
      for (const { work, before } of all) {
        if (removed.includes(work) && work.beganAt === before.beganAt) work.isPerhapsDone = true;
      }
    }
  }

  #answered(request: Request | undefined, fact: Fact & { is: "done" | "refused" | "lost" }): void {
    this.#askedBefore.set(fact.ask, Math.max(...this.requests.keys()));
    if (request?.to === "publish") return this.#published(request, fact);
    const isNone = fact.is === "refused" || (fact.is === "done" && fact.count === 0);
    if (isNone && request?.to === "retry dead") this.#unrevive(fact.ask);
    if (fact.is === "lost" && request?.to === "retry dead") this.#doubtRevival(fact.ask);
    if (fact.is === "lost" && request?.to === "lease") {
      this.#change(request.name, (one) => one.lostLeases++);
    }
    if (fact.is !== "done") return;
    switch (request?.to) {
      case "remove topic":
        // What is asked for from now on must be there.
        this.log(request.topic).goneUpTo = Math.max(...this.requests.keys());
        return;
      case "remove dead":
        return this.#doubtBeside(fact.ask, request);
      case "subscribe":
        return this.#change(request.name, (one) => one.isMade = true);
      case "pause":
        return this.#paused(request, fact);
      case "redact":
        this.events.get(request.n)!.redaction = "done";
        return void this.events.get(request.n)!.redactedAt.set(request.seq, fact.at);
      case "cancel":
        this.events.get(request.n)!.cancel = "done";
    }
  }

  #published(
    request: Request & { to: "publish" },
    fact: Fact & { is: "done" | "refused" | "lost" },
  ): void {
    for (const { n, seq, keySeq } of fact.is === "done" ? fact.receipts ?? [] : []) {
      const known = this.events.get(n)!;
      known.answeredAt ??= fact.at;
      if (seq === 0 && known.state !== "stored") known.state = "scheduled";
      this.see({ n, seq, keySeq, topic: known.sent.topic });
    }
    if (fact.is === "done") return;
    for (const { n } of request.events) {
      const known = this.events.get(n)!;
      // Somebody else may have sent it meanwhile: that answer is still to come.
      if (known.state !== "asked" || this.#isOpen(n)) continue;
      known.state = fact.is === "lost" || this.#mayBeForgotten(known) ? "maybe" : "refused";
    }
  }

  /**
   * True if what was refused may be what was stored before: sent again, because the answer was lost,
   * when the wall clock had been stepped by more than ids are remembered for.
   */
  #mayBeForgotten({ askedAt }: Known): boolean {
    return this.steppedAt >= askedAt && this.disturbedAt >= askedAt;
  }

  /** True if a request to publish an event has no answer yet. */
  #isOpen(n: number): boolean {
    return [...this.open].some((ask) => {
      const request = this.requests.get(ask);
      return request?.to === "publish" && request.events.some((event) => event.n === n);
    });
  }

  #begins(fact: Fact & { is: "began" }): void {
    const { run, subscription, holder, event: { n }, attempt, isGuess, at, until = Infinity } =
      fact;
    const work = this.subscriptions.get(subscription)?.work(n);
    const isFresh = this.isFresh(fact);
    const isOutdated = work !== undefined && !isFresh && this.#isAnswered(fact, work);
    const about = { subscription, holder, n, attempt, isGuess, isFresh, isOutdated };
    this.runs.set(run, { run, ...about, until, beganAt: at });
    const { askedAt = -Infinity } = this.events.get(n) ?? {};
    const after = Math.max(askedAt, this.leasedAfter(fact));
    this.#leasedAfter.set(`${holder} ${subscription}`, after);
    if (!work || isOutdated) return;
    const isKept = this.isKept(work, at);
    // Whoever has handled it and could not say so yet says so when it gets the event once more.
    const mayBeTold = !isFresh || at <= this.disturbedAt + STALE_MS;
    const isPerhapsDone = work.isPerhapsDone || (work.state === "done" && !isKept);
    const isPerhapsDead = work.isGivenUp && !isKept;
    // The number tells which of the earlier outcomes were kept. Without one they stay unsure: a
    // daemon that stopped in between may not have taken them.
    const { low, high } = this.look(work, at);
    // A failure that is not counted yet may be still on its way: a late answer is taken, too.
    const isLate = (work.state === "waiting" || work.state === "dead") && !isKept;
    const late = isLate ? Math.max(0, high - (attempt - 1)) : 0;
    const counted = { low: attempt - 1, high: attempt - 1 + late, unsure: late };
    Object.assign(work, {
      ...(isGuess ? { low, high, unsure: high - low } : counted),
      state: "running",
      beganAt: at,
      isSure: true,
      inDoubt: false,
      isGivenUp: false,
      isPerhapsDead: isPerhapsDead && mayBeTold,
      isPerhapsDone: isPerhapsDone && mayBeTold,
      lapse: undefined,
    });
  }

  /** True if the attempt that begins was certainly answered before. */
  #isAnswered({ event: { n, topic }, attempt, isGuess, at }: Fact & { is: "began" }, work: Work) {
    // A store that had forgotten the event has it twice, and each has its attempts.
    const numbers = [...this.log(topic).numbers.values()].filter((one) => one === n);
    return !isGuess && numbers.length === 1 && attempt <= this.look(work, at).low;
  }

  #ends(
    run: Run | undefined,
    end: { outcome: Outcome; at: number; sure: boolean; waitMs?: number },
  ): void {
    const subscription = this.subscriptions.get(run?.subscription ?? "");
    if (!run || !subscription) return;
    this.runs.delete(run.run);
    const work = subscription.work(run.n);
    const isOver = work.state === "done" || work.state === "dead";
    if (run.isOutdated && isOver && this.isKept(work, end.at)) return;
    if (run.isOutdated || work.beganAt > run.beganAt) {
      // Somebody else had it meanwhile: this answer counts or not.
      const isFailure = end.outcome === "failed" && !run.isGuess;
      const high = Math.max(work.high + (isFailure ? 1 : 0), run.attempt);
      Object.assign(work, { unsure: work.unsure + high - work.high, high, isSure: false });
      work.isPerhapsDead ||= end.outcome === "dead" || this.mayBeDead(subscription, work);
      return;
    }
    Object.assign(work, { endedAt: end.at, isSure: end.sure });
    work.state = end.outcome === "done" ? "done" : "waiting";
    if (end.outcome === "cut") {
      work.cuts++;
      // A lease of its own time outlives its holder.
      work.lapse = { at: run.until, attempt: run.attempt };
      this.look(work, end.at);
    }
    if (end.outcome === "cut" || end.outcome === "released") return;
    const isFailure = end.outcome !== "done" && !run.isGuess;
    work.high = Math.max(work.high + (isFailure ? 1 : 0), run.attempt);
    if (end.sure) work.low = work.high - work.unsure;
    if (end.outcome === "done") return;
    work.dueAt = end.at + (end.waitMs ?? 0);
    work.isGivenUp ||= end.outcome === "dead";
    if (!work.isGivenUp && !this.mayBeDead(subscription, work)) return;
    work.state = "dead";
    // If fewer were counted, it waits for another attempt.
    const least = { ...work, high: work.high - work.unsure, isPerhapsDead: false };
    work.inDoubt ||= !this.mayBeDead(subscription, least);
  }

  /** The same, by leases that nobody knows of, too. */
  mayHaveDied(subscription: Consumption, work: Work): boolean {
    const { settings: { maxRetries }, lostLeases } = subscription;
    return this.mayBeDead(subscription, work) ||
      (lostLeases > 0 && work.high - work.granted + lostLeases > maxRetries);
  }

  /** True if an event may be a dead letter by what is known. */
  mayBeDead({ settings }: Consumption, work: Work): boolean {
    return work.isGivenUp || work.isPerhapsDead || work.high - work.granted > settings.maxRetries ||
      work.cuts >= settings.maxDeliveries;
  }
}
