/**
 * Publishes scheduled events that are due. Every node does: whoever is first takes some, and the
 * others find that they are gone. So nobody has to be found out to be away before others go on.
 *
 * A node looks when the next one is due, when a wake-up says that one was accepted, and from time to
 * time besides, because nothing depends on wake-ups.
 */
import { type Clock, setBackgroundTimer } from "../../base/clock.ts";
import type { NewEvent } from "../../event/event.ts";
import type { Postgres } from "../../postgres/connection.ts";
import { refusedBy, TryAgainError } from "../../postgres/errors.ts";
import { isDatabaseAway } from "../../protocol/database_url.ts";
import { repeatable } from "../../postgres/patience.ts";
import { planAppend } from "../../store/postgres/append_plan.ts";
import { contentIn } from "../scheduled_row.ts";
import type { ScheduleHost } from "../scheduler.ts";
import { APPENDED_COUNT, CHANGED, TAKEN } from "./schedule_functions.ts";
import { countWaiting, type DueEvent, leftUntilDue, readDue } from "./waiting_rows.ts";

/** How long at most until the next look, ms. */
const LOOK_EVERY_MS = 10_000;
/** How old the count of those that wait may be, ms. */
const COUNTED_MS = 1000;
/** Another node is at it: about how long it is let alone, ms. */
const APART_MS = 100;
/** The first and the longest wait after a failure, ms. */
const [FIRST_WAIT_MS, LONGEST_WAIT_MS] = [1000, 10_000];

const PUBLISH = `SELECT evs.publish_scheduled_1(${
  Array.from({ length: 3 + APPENDED_COUNT }, (_, i) => `$${i + 1}`).join(", ")
}) AS answer`;

/** What publishing needs. */
export interface DueEventsContext {
  postgres: Postgres;
  host: Pick<
    ScheduleHost,
    "clock" | "dedupWindow" | "ifThere" | "onError" | "refresh" | "stamp"
  >;
  random(): number;
  /** Tells all nodes that a topic has new events. */
  appended(topic: string): void;
  /** Has all nodes look at what waits. */
  changed(): void;
}

/** How it went with events of a topic. */
type Outcome = "published" | "apart";

/** Publishes what is due, as long as it is open. */
export class DueEvents {
  readonly #context: DueEventsContext;
  readonly #clock: Clock;
  /** Topics that took no events: how long to let them be, and until when, monotonic ms. */
  readonly #refused = new Map<string, { waitMs: number; until: number }>();
  /** Those that cannot be read: their rows stay, and `doctor` names them. */
  readonly #unreadable = new Set<number>();
  #failedMs = 0;
  #count = 0;
  #countedAt = -Infinity;
  #looking: Promise<void> | undefined;
  #again = false;
  #isStarted = false;
  #isClosed = false;
  #cancel: (() => void) | undefined;

  constructor(context: DueEventsContext) {
    this.#context = context;
    this.#clock = context.host.clock;
  }

  /** How many waited when it was looked last. */
  get count(): number {
    return this.#count;
  }

  start(): void {
    this.#isStarted = true;
    this.look();
  }

  /** Looks now, and once more if it is just looking. */
  look(): void {
    this.#countedAt = -Infinity;
    if (!this.#isStarted || this.#isClosed) return;
    this.#again = this.#looking !== undefined;
    if (this.#looking) return;
    this.#cancel?.();
    this.#looking = this.#pass().then((leftMs) => {
      this.#looking = undefined;
      if (this.#again) return this.look();
      if (this.#isClosed) return;
      const waitMs = Math.min(Math.max(0, leftMs), LOOK_EVERY_MS);
      this.#cancel = setBackgroundTimer(this.#clock, () => this.look(), waitMs);
    });
  }

  /** Publishes what is due; returns after how long to look again, ms. Never rejects. */
  async #pass(): Promise<number> {
    this.#again = false;
    try {
      const leftMs = await this.#publishDue();
      this.#failedMs = 0;
      return leftMs;
    } catch (error) {
      if (this.#isClosed) return Infinity;
      if (this.#failedMs === 0) this.#context.host.onError(error, "publishing scheduled events");
      return this.#failedMs = nextWait(this.#failedMs);
    }
  }

  async #publishDue(): Promise<number> {
    const { postgres } = this.#context;
    const read = <T>(text: string, values?: readonly unknown[]) =>
      postgres.query<T>("read", text, values);
    while (!this.#isClosed) {
      const aside = { topics: this.#resting(), numbers: [...this.#unreadable] };
      const leftMs = await leftUntilDue(read, aside);
      if (leftMs > 0) {
        await this.#countAll(read);
        return Math.min(leftMs, this.#untilRested());
      }
      const due = await readDue(read, aside);
      const outcomes = [];
      for (const [topic, events] of Map.groupBy(due, ({ item }) => item.topic)) {
        outcomes.push(await this.#publish(topic, events));
      }
      if (outcomes.includes("apart")) return APART_MS * (0.5 + this.#context.random());
    }
    return Infinity;
  }

  async #countAll(read: Parameters<typeof countWaiting>[0]): Promise<void> {
    const now = this.#clock.monotonic();
    if (now - this.#countedAt < COUNTED_MS) return;
    this.#count = await countWaiting(read);
    this.#countedAt = now;
  }

  /** Topics that took no events, and are let be. */
  #resting(): string[] {
    const now = this.#clock.monotonic();
    return [...this.#refused].flatMap(([topic, { until }]) => until > now ? [topic] : []);
  }

  #untilRested(): number {
    const now = this.#clock.monotonic();
    return Math.min(...[...this.#refused.values()].map(({ until }) => Math.max(0, until - now)));
  }

  /** A topic that takes none is tried again by itself; the others go on. */
  async #publish(topic: string, due: readonly DueEvent[]): Promise<Outcome> {
    const { host, appended, changed } = this.#context;
    const readable = due.flatMap((one) => {
      const event = this.#eventIn(one);
      return event ? [{ ...one, event }] : [];
    });
    if (readable.length === 0) return "published";
    try {
      let answer = await this.#publishIn(topic, readable);
      if (answer === undefined) {
        // Another node has made it, or has removed it and what waited in it.
        await host.refresh();
        answer = await this.#publishIn(topic, readable);
      }
      if (answer === undefined) {
        this.#rest(topic);
        return "published";
      }
      if (answer === null) return "apart";
      this.#refused.delete(topic);
      appended(topic);
      changed();
      return "published";
    } catch (error) {
      return await this.#failed(topic, error);
    }
  }

  /** Undefined if there is no such topic; null if another node is at it. */
  #publishIn(
    topic: string,
    due: readonly (DueEvent & { event: NewEvent })[],
  ): Promise<string | null | undefined> {
    const { host } = this.#context;
    // They were accepted by the schemas of then.
    return host.ifThere(topic, (under) => {
      const plan = planAppend([{ topic, events: due.map(({ event }) => event), under }]);
      const numbers = due.map(({ item }) => item.number);
      const sums = due.map(({ sum }) => sum);
      return this.#call([host.dedupWindow, numbers, sums, ...plan.values]);
    });
  }

  /** What still waits shows whether the answer that was lost was that of a commit. */
  async #call(values: readonly unknown[]): Promise<string | null> {
    const { postgres } = this.#context;
    const [row] = await repeatable(() =>
      postgres.query<{ answer: string | null }>("state", PUBLISH, values)
    );
    return row!.answer;
  }

  async #failed(topic: string, error: unknown): Promise<Outcome> {
    const { host } = this.#context;
    if (refusedBy(error) === TAKEN || error instanceof TryAgainError) return "apart";
    if (isDatabaseAway(error)) throw error;
    if (refusedBy(error) === CHANGED) {
      await host.refresh();
      return "apart";
    }
    if (this.#isClosed) return "apart";
    const isNew = this.#rest(topic);
    if (isNew) host.onError(error, `publishing scheduled events of ${topic}`);
    return "published";
  }

  /** Lets a topic be for longer each time; returns whether this is the first. */
  #rest(topic: string): boolean {
    const last = this.#refused.get(topic)?.waitMs ?? 0;
    const waitMs = nextWait(last);
    this.#refused.set(topic, { waitMs, until: this.#clock.monotonic() + waitMs });
    return last === 0;
  }

  /** Undefined if it cannot be read. */
  #eventIn({ item, line, now }: DueEvent): NewEvent | undefined {
    const { host } = this.#context;
    try {
      const { seq: _seq, topic: _topic, line: _line, ...event } = contentIn(line, item);
      const timestamp = item.stamped ? event.timestamp : now;
      return host.stamp({ ...event, timestamp, idGiven: true });
    } catch (error) {
      this.#unreadable.add(item.number);
      host.onError(error, "publishing scheduled events");
      return undefined;
    }
  }

  /** Publishes nothing more; resolves when nothing is under way. */
  async close(): Promise<void> {
    this.#isClosed = true;
    this.#cancel?.();
    await this.#looking;
  }
}

function nextWait(lastMs: number): number {
  return Math.min(LONGEST_WAIT_MS, lastMs * 2 || FIRST_WAIT_MS);
}
