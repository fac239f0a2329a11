/**
 * Some stores that are given the same commands at the same time. What a command means is decided by
 * the first of them; then all are asked the same.
 */
import assert from "node:assert/strict";
import { defined } from "../../../core/base/defined.ts";
import type { NewEvent, StoredEvent } from "../../../core/event/event.ts";
import { keepFrom } from "../../../core/store/retention_rule.ts";
import type { LocalStore } from "../../helpers/stores.ts";
import {
  answerOf,
  appended,
  type Asked,
  type AskedAppend,
  type AskedRequest,
  keyPagesOf,
  linesOf,
  newestOf,
  pagesBackOf,
  pagesOf,
  published,
  type Range,
  shown,
} from "./answers.ts";
import {
  type Command,
  type ConditionDraft,
  type EventDraft,
  type ExpectedDraft,
  KEYS,
  type Place,
  type RangeDraft,
  type RequestDraft,
  TOPICS,
} from "./commands.ts";
import { KeyBook, type KeyStanding } from "./key_book.ts";
import type { Subject } from "./subjects.ts";

/** The time of a world. */
export interface WorldClock {
  now(): number;
  monotonic(): number;
  /** Lets time pass; absent: it is not ours. */
  pass?(ms: number): Promise<void>;
  jump?(ms: number): void;
}

/** Asks a store something. */
type Ask = (asked: Asked) => Promise<unknown>;

const REDACTED = '{"redacted":{"at":5,"by":"somebody","reason":"a password"}}';
const encoder = new TextEncoder();

/** Stores under the same commands. */
export class World {
  readonly #clock: WorldClock;
  readonly #subjects: readonly Subject[];
  readonly #books: readonly KeyBook[];
  #made = 0;
  /** When each event of a topic was stored, monotonic ms; `[0]` is that of seq 1. */
  readonly #storedAt = new Map<string, number[]>(TOPICS.map((topic) => [topic, []]));

  constructor(clock: WorldClock, subjects: readonly Subject[]) {
    this.#clock = clock;
    this.#subjects = subjects;
    this.#books = subjects.map(() => new KeyBook());
  }

  get #reference(): LocalStore {
    return this.#subjects[0]!.store;
  }

  /** Gives a command to all, and compares what they answer. */
  async take(command: Command): Promise<void> {
    switch (command.do) {
      case "pass":
        return await this.#clock.pass?.(command.ms);
      case "jump":
        return await this.#jump(command.ms);
      case "reopen":
      case "kill":
      case "power cut":
        for (const subject of this.#subjects) await subject.restart(command.do);
        return await this.compareAll();
      case "seek age":
        return await this.#seekAge(command);
      default:
        await this.#compare(command.do, this.#ask(command));
        this.#noteStored();
    }
  }

  /** The stores learn of it before they are closed: afterwards they could only guess. */
  async #jump(ms: number): Promise<void> {
    this.#clock.jump?.(ms);
    for (const topic of TOPICS) {
      for (const { store } of this.#subjects) await store.seekAge!(topic, 1);
    }
  }

  /** Compares all that the stores have. */
  async compareAll(): Promise<void> {
    const all: Range = { from: 1, to: 1e9, limit: 1000 };
    await this.#compare("topics", ({ store }) => Promise.resolve(store.topics().sort()));
    for (const topic of TOPICS) {
      await this.#compare(`all of ${topic}`, (asked) =>
        Promise.resolve({
          head: asked.store.head(topic),
          events: pagesOf(asked, topic, { range: all, types: undefined }),
          lines: linesOf(asked, topic, { range: all, types: undefined }),
          keys: KEYS.map((key) => keyPagesOf(asked, topic, { range: all, key })),
          newest: KEYS.map((key) => newestOf(asked, topic, [key])),
          damage: asked.store.damage?.() ?? [],
        }));
    }
  }

  async #compare(what: string, ask: Ask): Promise<void> {
    const answers = [];
    for (const [i, { name, store }] of this.#subjects.entries()) {
      const answer = await answerOf(() => ask({ name, store, book: this.#books[i]! }));
      answers.push({ name, answer });
    }
    const [first, ...others] = answers;
    for (const { name, answer } of others) {
      assert.deepEqual(answer, first!.answer, `${what}: ${name} answers other than ${first!.name}`);
    }
  }

  #ask(command: Command): Ask {
    switch (command.do) {
      case "publish": {
        const append = this.#append(command.requests);
        return (asked) => published(asked, append);
      }
      case "append": {
        const append = this.#append(command.requests, command.conditions);
        return (asked) => appended(asked, append);
      }
      case "save": {
        const { payload: _, metadata, ...event } = this.#event(command.event);
        const whole = { ...event, metadata: JSON.parse(metadata), payload: { saved: this.#made } };
        // It does not tell the event's number, so it has no key.
        return ({ store }) =>
          store.saveEvent({ ...whole, key: undefined, topic: command.topic, seq: 77 });
      }
      case "truncate":
      case "delete before":
      case "retain":
      case "remove topic":
      case "redact":
        return this.#askToDelete(command);
      default:
        return this.#askToRead(command);
    }
  }

  #askToDelete(
    command: Extract<
      Command,
      { do: "truncate" | "delete before" | "retain" | "remove topic" | "redact" }
    >,
  ): Ask {
    const { topic } = command;
    switch (command.do) {
      case "truncate": {
        const seq = this.#seqAt(topic, command.place);
        return ({ store }) => store.truncate(topic, seq);
      }
      case "delete before": {
        const before = this.#clock.now() + command.off;
        return ({ store }) => store.deleteEvents(topic, before);
      }
      case "retain":
        return ({ store }) => retained(store, topic, command);
      case "remove topic":
        return ({ store }) => store.removeTopic(topic);
      case "redact": {
        const seq = this.#seqAt(topic, command.place);
        const id = command.wrongId ? "nobody" : this.#at(topic, seq)?.id ?? "nobody";
        const key = command.key;
        return ({ store }) => store.redact!(topic, defined({ seq, id, metadata: REDACTED, key }));
      }
    }
  }

  #askToRead(command: Command): Ask {
    const now = this.#clock.now();
    switch (command.do) {
      case "page":
      case "lines":
      case "back": {
        const { range: { topic }, types } = command;
        const range = this.#range(command.range);
        const read = { page: pagesOf, lines: linesOf, back: pagesBackOf }[command.do];
        return (asked) => Promise.resolve(read(asked, topic, { range, types }));
      }
      case "key":
      case "back of key": {
        const { range: { topic }, key } = command;
        const range = this.#range(command.range);
        return (asked) => Promise.resolve(keyPagesOf(asked, topic, { range, key }));
      }
      case "newest of keys":
        return (asked) => Promise.resolve(newestOf(asked, command.topic, command.keys));
      case "find": {
        const { topic, given } = command;
        const id = typeof given === "number"
          ? `given-${given}`
          : this.#at(topic, this.#seqAt(topic, given))?.id ?? "nobody";
        return (asked) => {
          const event = asked.store.find(topic, id);
          return Promise.resolve(event && shown(asked, event));
        };
      }
      case "seek time": {
        const latest = command.latest === undefined ? undefined : now + command.latest;
        return ({ store }) =>
          Promise.resolve(store.seekTime(command.topic, now + command.off, latest));
      }
      case "seek bytes": {
        const { bytes } = this.#reference.head(command.topic);
        const most = Math.floor(bytes * command.percent / 100);
        return ({ store }) => Promise.resolve(store.seekBytes(command.topic, most));
      }
      case "query": {
        const { topic, types, limit, reverse, off } = command;
        const query = { fromTimestamp: now + off, eventTypes: types, limit, reverse };
        return async ({ store, book }) =>
          (await store.getEvents(topic, query)).map(({ keySeq, seq = 0, ...event }) => {
            return { ...event, seq, number: book.told(topic, seq, keySeq) };
          });
      }
      default:
        throw new Error(`nobody knows how to ask for ${command.do}`);
    }
  }

  /**
   * The age of events is kept roughly, each store in its own way: no event may look older than it
   * is, and soon after its age all look as old as they are.
   */
  async #seekAge({ topic, age }: Extract<Command, { do: "seek age" }>): Promise<void> {
    if (!this.#clock.pass) return;
    const now = this.#clock.monotonic();
    const storedAt = this.#storedAt.get(topic)!;
    for (const { name, store } of this.#subjects) {
      const keep = (await store.seekAge!(topic, age))!;
      const { firstSeq, lastSeq } = store.head(topic);
      assert.ok(keep <= lastSeq + 1, `${name} keeps from ${keep}, of ${lastSeq}`);
      for (let seq = firstSeq; seq <= lastSeq; seq++) {
        const is = now - storedAt[seq - 1]!;
        const told = `${name}: ${topic} ${seq} is ${is} ms old; of ${age}, ${keep} is kept`;
        if (seq < keep) assert.ok(is >= age, told);
        else assert.ok(is <= age * 1.04 + 2000, told);
      }
    }
  }

  #noteStored(): void {
    for (const [topic, storedAt] of this.#storedAt) {
      const { lastSeq } = this.#reference.head(topic);
      while (storedAt.length < lastSeq) storedAt.push(this.#clock.monotonic());
    }
  }

  #seqAt(topic: string, { edge, off }: Place): number {
    const { firstSeq, lastSeq } = this.#reference.head(topic);
    return Math.max(0, { first: firstSeq, last: lastSeq, zero: 0 }[edge] + off);
  }

  #range({ topic, from, to, limit }: RangeDraft): Range {
    return { from: Math.max(1, this.#seqAt(topic, from)), to: this.#seqAt(topic, to), limit };
  }

  #at(topic: string, seq: number): StoredEvent | undefined {
    return this.#reference.readPage(topic, { from: seq, to: seq, limit: 1 }).events[0];
  }

  /** What is asked of all, with events that are made once. */
  #append(drafts: readonly RequestDraft[], conditions?: readonly ConditionDraft[]): AskedAppend {
    const requests = drafts.map(({ topic, events, expected, packed }): AskedRequest => {
      const made = events.map((event) => this.#event(event));
      const own = conditions ? undefined : expected;
      const wanted = own && this.#wanted(own, { topic, key: made[0]?.key });
      return { topic, events: made, packed, wanted };
    });
    const asked = conditions?.map(({ topic, key, expected }) => {
      return { topic, key, wanted: this.#wanted(expected, { topic, key }) };
    });
    return { requests, conditions: asked, standing: this.#standing() };
  }

  /** What is true of all keys at this moment. */
  #standing(): Map<string, KeyStanding> {
    const store = this.#reference;
    return new Map(TOPICS.flatMap((topic) => {
      const { firstSeq } = store.head(topic);
      return KEYS.map((key) => {
        const isLeft = store.lastSeqOfKey!(topic, key)! > 0;
        return [`${topic} ${key}`, { isLeft, firstSeq }] as const;
      });
    }));
  }

  #wanted(draft: ExpectedDraft, { topic, key }: { topic: string; key?: string | undefined }) {
    if (typeof draft === "string") return draft;
    if ("keySeq" in draft) return { keySeqOff: draft.keySeq };
    const store = this.#reference;
    const last = key === undefined ? store.head(topic).lastSeq : store.lastSeqOfKey!(topic, key)!;
    return Math.max(0, last + draft.seq);
  }

  #event({ given, type, key, metadata, timeOff, ttl, size }: EventDraft): NewEvent {
    const now = this.#clock.now();
    const n = ++this.#made;
    const time = now.toString(16).padStart(12, "0");
    const own = `${time.slice(0, 8)}-${time.slice(8)}-7000-8000-${String(n).padStart(12, "0")}`;
    return defined({
      id: given === undefined ? own : `given-${given}`,
      idGiven: given !== undefined,
      type,
      key,
      metadata,
      timestamp: now + timeOff,
      schemaVersion: n % 5 === 0 ? "2.1" : "1.0",
      expiresAt: ttl === undefined ? undefined : now + ttl,
      payload: encoder.encode(size < 8 ? String(n) : `"${"ü".repeat(size / 2)}${n}"`),
    });
  }
}

/** What a topic's limits delete. */
async function retained(
  store: LocalStore,
  topic: string,
  { maxEvents, bytes }: { maxEvents: number; bytes: number | undefined },
): Promise<unknown> {
  const keep = keepFrom({
    options: { maxEvents, maxBytes: bytes ?? 0, retentionPeriod: 0 },
    head: store.head(topic),
    seekAge: () => 1,
    seekBytes: (maxBytes) => store.seekBytes(topic, maxBytes),
  });
  return { keep, gone: await store.truncate(topic, keep), head: store.head(topic) };
}
