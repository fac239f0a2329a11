/**
 * The state in memory: the default of `new EventBroker()`, and the reference that the SQLite state
 * is tested against.
 */
import { defined } from "../base/defined.ts";
import type { AuditQuery, AuditRecord } from "../event/audit.ts";
import { partField } from "../event/part.ts";
import { AUDIT_AGE, AUDIT_LEAST, AUDIT_MOST } from "./audited.ts";
import { REDACTED, withoutTexts } from "./redactions.ts";
import { refuseFences } from "./fences.ts";
import {
  actOnGroup,
  addToGroup,
  type GroupRecord,
  noteOnGroup,
  redactGroups,
} from "./group_rules.ts";
import { MemoryPositions } from "./memory_positions.ts";
import { memberOf, MemoryGroups, type NumberedDeadLetter } from "./memory_groups.ts";
import { matchesDeadLetter, nextAfter, pageStart, retryOf } from "./dead_letter_page.ts";
import type {
  BegunRecord,
  BoundDeadLetterFilter,
  ChangeOf,
  CommitOptions,
  DeadLetterAges,
  DeadLetterGroupCount,
  DeadLetterJobRecord,
  DeadLetterKey,
  DeadLetterKeysRequest,
  DeadLetterName,
  DeadLetterPage,
  DeadLetterPageRequest,
  DeadLetterRecord,
  ExpiryClockRecord,
  GroupTrendCount,
  ImportRecord,
  LevelRecord,
  RedactionRecord,
  RemovedDeadLetters,
  RetryRecord,
  ScheduledRecord,
  SchemaRecord,
  State,
  StateChange,
  StateSnapshot,
  SubscriptionRecord,
  TopicRecord,
  UnansweredRecord,
} from "./state.ts";

/** No name contains a line feed, so it can be the separator. */
function keyOf(...parts: string[]): string {
  return parts.join("\n");
}

/**
 * A {@link State} that forgets everything when the process ends.
 *
 * ```ts
 * import { EventBroker } from "@env/env-event-stream";
 *
 * await using broker = new EventBroker({ state: new MemoryState() });
 * ```
 */
export class MemoryState implements State {
  readonly forgets = true;
  readonly #topics = new Map<string, TopicRecord>();
  readonly #subscriptions = new Map<string, SubscriptionRecord>();
  readonly #positions = new MemoryPositions();
  readonly #retries = new Map<string, RetryRecord>();
  readonly #unanswered = new Map<string, UnansweredRecord>();
  readonly #begun = new Map<string, BegunRecord>();
  readonly #scheduled = new Map<number, ScheduledRecord>();
  readonly #imports = new Map<string, ImportRecord>();
  /** In the order in which they were added; a page's `next` is a `number`. */
  readonly #dead = new Map<string, { number: number; record: DeadLetterRecord }>();
  readonly #jobs = new Map<number, DeadLetterJobRecord>();
  readonly #jobParts = new Map<number, DeadLetterName[][]>();
  readonly #groups = new MemoryGroups(this.#dead);
  /** In the order of their numbers. */
  #audit: AuditRecord[] = [];
  readonly #schemas = new Map<string, SchemaRecord>();
  readonly #levels = new Map<string, LevelRecord>();
  readonly #ends = new Map<string, number>();
  readonly #removedDead = new Map<string, RemovedDeadLetters>();
  #deadAges: DeadLetterAges = { skew: 0, marks: [] };
  readonly #redactions = new Map<string, RedactionRecord>();
  #generation = 0;
  #expiryClock: ExpiryClockRecord | undefined;
  #lastDead = 0;
  /** What each change does. */
  readonly #apply: { [Op in StateChange["op"]]: (change: ChangeOf<Op>) => void } = {
    "topic.put": (change) => {
      this.#topics.set(change.record.name, change.record);
    },
    "topic.remove": (change) => {
      this.#topics.delete(change.name);
      for (const [number, { topic }] of this.#scheduled) {
        if (topic === change.name) this.#scheduled.delete(number);
      }
    },
    "subscription.put": (change) => {
      this.#subscriptions.set(change.record.name, change.record);
    },
    "subscription.remove": (change) => {
      this.#subscriptions.delete(change.name);
      this.#positions.removeSubscription(change.name);
      for (const table of this.#ofSubscriptions()) {
        for (const [key, row] of table) {
          if (row.subscription === change.name) table.delete(key);
        }
      }
    },
    "cursor.put": ({ record }) => this.#positions.putCursor(record),
    "cursor.remove": (change) => this.#positions.removeCursor(change),
    "done.put": (change) => this.#positions.mark(change),
    "done.clear": (change) => this.#positions.clearMarks(change),
    "missed.put": ({ record }) => this.#positions.putMissed(record),
    "expired.put": ({ record }) => this.#positions.putExpired(record),
    "expiry.clock": ({ record }) => {
      this.#expiryClock = record;
    },
    "retry.put": (change) => {
      this.#retries.set(retryKey(change.record), change.record);
    },
    "retry.remove": (change) => {
      this.#retries.delete(retryKey(change));
    },
    "retry.clear": (change) => {
      for (const [key, row] of this.#retries) {
        if (row.subscription === change.subscription && row.topic === change.topic) {
          this.#retries.delete(key);
        }
      }
    },
    "retry.due": (change) => {
      const row = this.#retries.get(retryKey(change));
      if (!row) return;
      this.#retries.set(retryKey(change), { ...row, dueAt: Math.round(change.now), waitMs: 0 });
    },
    "retry.clamp": (change) => {
      for (const [key, row] of this.#retries) {
        const dueAt = Math.min(row.dueAt, change.now + row.waitMs);
        if (dueAt < row.dueAt) this.#retries.set(key, { ...row, dueAt });
      }
    },
    "unanswered.put": (change) => {
      this.#unanswered.set(retryKey(change.record), change.record);
    },
    "unanswered.remove": (change) => {
      this.#unanswered.delete(retryKey(change));
    },
    "unanswered.clear": (change) => {
      for (const [key, row] of this.#unanswered) {
        if (row.subscription === change.subscription && row.topic === change.topic) {
          this.#unanswered.delete(key);
        }
      }
    },
    "begun.put": (change) => {
      this.#begun.set(keyOf(change.record.subscription, change.record.consumer), change.record);
    },
    "begun.remove": (change) => {
      this.#begun.delete(keyOf(change.subscription, change.consumer));
    },
    "begun.left": ({ record, left }) => {
      const key = keyOf(record.subscription, record.consumer);
      const events = this.#begun.get(key)?.events;
      if (JSON.stringify(events) !== JSON.stringify(record.events)) return;
      if (left.length > 0) this.#begun.set(key, { ...record, events: left });
      else this.#begun.delete(key);
    },
    "dead.put": (change) => {
      const key = retryKey(change.record);
      this.#removeDead(key);
      const { group: _group, ...record } = change.record;
      const dead = { number: ++this.#lastDead, record };
      this.#dead.set(key, dead);
      addToGroup(this.#groups, memberOf(dead), change);
    },
    "dead.link": (change) => {
      const entry = this.#dead.get(retryKey(change));
      if (entry) entry.record = { ...entry.record, editedAs: change.editedAs };
    },
    "dead.remove": (change) => this.#removeDead(retryKey(change)),
    "dead.expire": ({ key }) => {
      if (this.#dead.get(retryKey(key))?.number === key.number) this.#removeDead(retryKey(key));
    },
    "dead.removed": ({ record }) => {
      this.#removedDead.set(keyOf(record.subscription, record.topic), record);
    },
    "dead.ages": ({ ages }) => {
      this.#deadAges = ages;
    },
    "dead.retry": (change) => {
      for (const [place, id] of change.ids.entries()) {
        const dead = this.#dead.get(retryKey({ ...change, id }));
        if (!dead) continue;
        const part = partField(change.parts?.[place] ?? 0);
        const record = { ...retryOf(dead.record, change), ...part };
        this.#retries.set(retryKey(record), record);
        this.#removeDead(retryKey({ ...change, id }));
      }
    },
    "job.put": ({ record }) => {
      this.#jobs.set(record.number, record);
      if (record.state !== "running") this.#jobParts.delete(record.number);
    },
    "job.part": ({ job, part, entries }) => {
      const parts = part === 0 ? [] : this.#jobParts.get(job) ?? [];
      parts[part] = [...entries];
      this.#jobParts.set(job, parts);
    },
    "job.forget": ({ numbers }) => {
      for (const number of numbers) {
        this.#jobs.delete(number);
        this.#jobParts.delete(number);
      }
    },
    "audit.put": ({ record }) => {
      const number = (this.#audit.at(-1)?.number ?? 0) + 1;
      this.#audit.push({ ...record, number });
      if (this.#audit.length > AUDIT_MOST) this.#audit.shift();
      const from = record.at - AUDIT_AGE;
      if (this.#audit[0]!.at >= from) return;
      this.#audit = this.#audit.filter((one) =>
        one.at >= from || one.number > number - AUDIT_LEAST
      );
    },
    "group.act": (change) => actOnGroup(this.#groups, change),
    "group.note": ({ group, note }) => noteOnGroup(this.#groups, group, note),
    "scheduled.put": ({ record }) => {
      this.#scheduled.set(record.number, record);
    },
    "scheduled.remove": ({ numbers }) => {
      for (const number of numbers) this.#scheduled.delete(number);
    },
    "scheduled.shift": ({ byMs }) => this.#moveDelays(({ dueAt }) => dueAt + Math.round(byMs)),
    "scheduled.clamp": ({ now }) =>
      this.#moveDelays(({ dueAt, waitMs }) => Math.min(dueAt, Math.round(now) + waitMs)),
    "schema.put": (change) => {
      this.#schemas.set(keyOf(change.record.type, change.record.version), change.record);
    },
    "schema.remove": (change) => {
      this.#schemas.delete(keyOf(change.type, change.version));
    },
    "schema.level": (change) => {
      if (change.record.level === "none") this.#levels.delete(change.record.type);
      else this.#levels.set(change.record.type, change.record);
    },
    "end.put": (change) => {
      this.#ends.set(change.record.topic, change.record.lastSeq);
    },
    "import.put": ({ record, before }) => {
      for (const [key, { at }] of this.#imports) if (at < before) this.#imports.delete(key);
      this.#imports.set(keyOf(record.batch, record.part), record);
    },
    "scheduled.redact": ({ number, key, line }) => {
      const there = this.#scheduled.get(number);
      if (!there) return;
      const { key: _key, ...record } = there;
      this.#scheduled.set(number, { ...record, ...defined({ key }), line, redacted: true });
    },
    "redaction.put": ({ record }) => {
      this.#redactions.set(keyOf(record.topic, String(record.seq), record.id), record);
    },
    "event.redact": (change) => {
      const { topic, seq, id, key, line } = change;
      redactGroups(this.#groups, change);
      const isIt = (one: DeadLetterRecord | RetryRecord) =>
        one.topic === topic && one.seq === seq && one.id === id;
      for (const entry of this.#dead.values()) {
        if (!isIt(entry.record)) continue;
        const { key: _key, ...record } = entry.record;
        const attempts = withoutTexts(record.attempts);
        entry.record = { ...record, ...defined({ key }), line, reason: REDACTED, attempts };
      }
      for (const [at, row] of this.#retries) if (isIt(row)) this.#retries.delete(at);
    },
    "generation.next": () => {
      this.#generation++;
    },
  };

  /** @internal */
  load(): StateSnapshot {
    return structuredClone({
      topics: [...this.#topics.values()],
      subscriptions: [...this.#subscriptions.values()],
      ...this.#positions.load(),
      ...(this.#expiryClock ? { expiryClock: this.#expiryClock } : {}),
      retries: [...this.#retries.values()].map(({ line: _line, attempts: _attempts, ...rest }) =>
        rest
      ),
      scheduled: [...this.#scheduled.values()].map(({ line: _line, ...rest }) => rest),
      unanswered: [...this.#unanswered.values()],
      begun: [...this.#begun.values()],
      schemas: [...this.#schemas.values()],
      levels: [...this.#levels.values()],
      ends: Array.from(this.#ends, ([topic, lastSeq]) => ({ topic, lastSeq })),
      imports: [...this.#imports.values()],
      deadLetterAges: this.#deadAges,
      removedDeadLetters: [...this.#removedDead.values()],
      redactions: [...this.#redactions.values()],
      jobs: [...this.#jobs.values()],
      generation: this.#generation,
    });
  }

  /** @internal */
  // deno-lint-ignore require-await -- async turns what it throws into a rejection
  async commit(changes: readonly StateChange[], { fences }: CommitOptions = {}): Promise<void> {
    refuseFences(fences);
    for (const change of changes) {
      (this.#apply[change.op] as (change: StateChange) => void)(change);
    }
  }

  #moveDelays(dueAt: (record: { dueAt: number; waitMs: number }) => number): void {
    for (const [number, record] of this.#scheduled) {
      const { waitMs } = record;
      if (waitMs === undefined) continue;
      this.#scheduled.set(number, { ...record, dueAt: dueAt({ dueAt: record.dueAt, waitMs }) });
    }
  }

  #removeDead(key: string): void {
    const dead = this.#dead.get(key);
    if (!dead) return;
    this.#dead.delete(key);
    this.#groups.gone(dead.number);
  }

  /** As it is read. */
  #withGroup({ number, record }: NumberedDeadLetter): NumberedDeadLetter {
    return { number, record: { ...record, ...defined({ group: this.#groups.groupOf(number) }) } };
  }

  /** The tables whose rows are deleted with their subscription. */
  #ofSubscriptions(): Map<string, { subscription: string }>[] {
    return [this.#retries, this.#unanswered, this.#begun];
  }

  /** @internal */
  retry(subscription: string, topic: string, id: string): RetryRecord | undefined {
    return structuredClone(this.#retries.get(keyOf(subscription, topic, id)));
  }

  /** @internal */
  scheduledLine(number: number): Uint8Array | undefined {
    return this.#scheduled.get(number)?.line;
  }

  /** @internal */
  deadLetters(filter: BoundDeadLetterFilter, page: DeadLetterPageRequest): DeadLetterPage {
    const start = pageStart(page);
    const sign = page.oldest ? 1 : -1;
    const rows = [...this.#dead.values()]
      .filter(({ number }) => sign * (number - start) > 0 && number <= (filter.upTo ?? Infinity))
      .map((dead) => this.#withGroup(dead))
      .filter(({ record }) => matchesDeadLetter(filter, record))
      .sort((a, b) => sign * (a.number - b.number));
    return nextAfter(structuredClone(rows.slice(0, page.limit + 1)), page.limit);
  }

  /** @internal */
  countDeadLetters(filter: BoundDeadLetterFilter): number {
    let count = 0;
    for (const dead of this.#dead.values()) {
      if (dead.number > (filter.upTo ?? Infinity)) continue;
      if (matchesDeadLetter(filter, this.#withGroup(dead).record)) count++;
    }
    return count;
  }

  /** @internal */
  deadLetterKeys(request: DeadLetterKeysRequest): DeadLetterKey[] {
    const { topic, subscription, after = 0, upTo = Infinity, limit, newest } = request;
    const sign = newest ? -1 : 1;
    return [...this.#dead.values()]
      .filter(({ number, record }) =>
        number > after && number <= upTo && (topic === undefined || record.topic === topic) &&
        (subscription === undefined || record.subscription === subscription)
      )
      .sort((a, b) => sign * (a.number - b.number))
      .slice(0, limit)
      .map(({ number, record: { subscription, topic, id, diedAt } }) => ({
        subscription,
        topic,
        id,
        number,
        diedAt,
      }));
  }

  /** @internal */
  jobPart(job: number, part: number): DeadLetterName[] | undefined {
    return this.#jobParts.get(job)?.[part];
  }

  /** @internal */
  audit({ since, act, topic, subscription, before, limit }: AuditQuery): AuditRecord[] {
    const found = this.#audit.filter((one) =>
      one.at >= (since ?? -Infinity) && (act ?? one.act) === one.act &&
      (topic ?? one.topic) === one.topic &&
      (subscription ?? one.subscription) === one.subscription &&
      one.number < (before ?? Infinity)
    );
    return structuredClone(found.reverse().slice(0, limit));
  }

  deadLetterCounts(): Map<string, number> {
    const counts = new Map<string, number>();
    for (const { record } of this.#dead.values()) {
      counts.set(record.subscription, (counts.get(record.subscription) ?? 0) + 1);
    }
    return counts;
  }

  /** @internal */
  deadLetterGroups(): GroupRecord[] {
    return structuredClone(this.#groups.all());
  }

  /** @internal */
  deadLetterGroupCounts(): DeadLetterGroupCount[] {
    return this.#groups.members();
  }

  /** @internal */
  closedDeadLetterCounts(): Map<string, number> {
    return this.#groups.closedCounts();
  }

  /** @internal */
  deadLetterTrend(end: number): GroupTrendCount[] {
    return this.#groups.trend(end);
  }

  /** @internal */
  close(): Promise<void> {
    return Promise.resolve();
  }
}

function retryKey(of: { subscription: string; topic: string; id: string }): string {
  return keyOf(of.subscription, of.topic, of.id);
}
