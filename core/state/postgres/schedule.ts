/** The scheduled events of a state in PostgreSQL that nodes share: see core/state/scheduler.ts. */
import { NotFoundError } from "../../base/errors.ts";
import { type NewEvent, type StoredEvent, toWireLine } from "../../event/event.ts";
import type { Schedule } from "../../event/schedule.ts";
import type { Postgres, Query } from "../../postgres/connection.ts";
import { type Patience, patiently } from "../../postgres/patience.ts";
import type { WakeUps } from "../../postgres/wake_ups.ts";
import { planAppend } from "../../store/postgres/append_plan.ts";
import { PUBLISHED } from "../../store/postgres/postgres_event_store.ts";
import { contentIn } from "../scheduled_row.ts";
import type {
  Acceptance,
  ScheduleHost,
  Scheduler,
  WaitingEvent,
  WaitingPage,
} from "../scheduler.ts";
import type { StateChange } from "../state.ts";
import { Accepting, type RowAnswer } from "./accepting.ts";
import { DueEvents } from "./due_events.ts";
import { readWaiting, readWaitingPage } from "./waiting_rows.ts";

/** The kind of wake-ups that say that events were accepted, cancelled or published. */
const SCHEDULED = "scheduled";

/** What it works with. */
export interface ScheduleContext extends Patience {
  postgres: Postgres;
  wakeUps: Pick<WakeUps, "on" | "send">;
  host: ScheduleHost;
}

/** The event does not wait any more that was to be read or changed. */
class GoneError extends NotFoundError {
  readonly item: WaitingEvent;

  constructor(item: WaitingEvent) {
    super("scheduled", `no event ${item.id} is scheduled in ${item.topic}`);
    this.item = item;
  }
}

/** Accepts, lists, cancels and publishes them. */
export class PostgresSchedule implements Scheduler {
  readonly #context: ScheduleContext;
  readonly #accepting: Accepting;
  readonly #due: DueEvents;
  readonly #underWay = new Set<Promise<unknown>>();
  #stopListening: (() => void) | undefined;

  constructor(context: ScheduleContext) {
    this.#context = context;
    const { postgres, host, clock, patience, wakeUps } = context;
    const { dedupWindow, recheck } = host;
    this.#accepting = new Accepting({ postgres, clock, patience, dedupWindow, recheck });
    this.#due = new DueEvents({
      postgres,
      host,
      random: Math.random,
      appended: (topic) => wakeUps.send(PUBLISHED, topic),
      changed: () => this.#changed(),
    });
  }

  get size(): number {
    return this.#due.count;
  }

  start(): void {
    this.#stopListening = this.#context.wakeUps.on(SCHEDULED, () => this.#due.look());
    this.#due.start();
  }

  /** What waits is for another node. */
  async close(): Promise<void> {
    this.#stopListening?.();
    await Promise.all([this.#due.close(), Promise.allSettled(this.#underWay)]);
    await this.#accepting.close();
  }

  #changed(): void {
    this.#context.wakeUps.send(SCHEDULED, "changed");
  }

  accept(
    topic: string,
    event: NewEvent,
    how: { schedule: Schedule; stamped: boolean },
  ): Promise<Acceptance> {
    // In the turn in which it was checked.
    const under = this.#context.host.under(topic)!;
    const accepted = this.#accept({ topic, event, under, ...how });
    this.#underWay.add(accepted);
    const done = () => void this.#underWay.delete(accepted);
    accepted.then(done, done); // the caller gets the error
    return accepted;
  }

  async #accept(later: Parameters<Accepting["put"]>[0]): Promise<Acceptance> {
    const { host } = this.#context;
    const { topic, event, schedule, under } = later;
    if (schedule.delayMs === 0) return await host.publish(topic, event);
    // It refuses what could not be appended when it is due.
    planAppend([{ topic, events: [event] }]);
    const answer = await host.withTopic(topic, under, () => this.#accepting.put(later));
    if (answer.due !== undefined) this.#changed();
    if (!answer.past) return acceptanceOf(answer);
    const past = schedule.at === undefined ? {} : { past: true as const };
    return { ...await host.publish(topic, event), ...past };
  }

  page({ topic, ...page }: WaitingPage): Promise<{ items: WaitingEvent[]; total: number }> {
    return this.#read((query) =>
      readWaitingPage(query, { ...page, topic: topic ?? null, limit: page.limit + 1 })
    );
  }

  async cancel(
    named: { ids: readonly string[]; topic?: string | undefined },
    also: (count: number) => readonly StateChange[],
  ): Promise<{ count: number; missing: string[] }> {
    const result = await this.#context.host.transact({
      on: [],
      async decide(rows) {
        const held = await rows.holdWaiting(named);
        const found = new Set(held.map(({ id }) => id));
        const missing = [...new Set(named.ids)].filter((id) => !found.has(id));
        if (missing.length > 0) return { changes: [], result: { count: 0, missing } };
        const numbers = held.map(({ number }) => number);
        const changes = [{ op: "scheduled.remove" as const, numbers }, ...also(held.length)];
        return { changes, result: { count: held.length, missing } };
      },
    });
    this.#changed();
    return result;
  }

  find(topic: string, id: string): Promise<WaitingEvent | undefined> {
    return this.#read((query) => readWaiting(query, topic, id));
  }

  async contentOf(item: WaitingEvent): Promise<StoredEvent> {
    const [row] = await this.#read((query) =>
      query<{ line: Uint8Array }>("SELECT line FROM evs.scheduled WHERE number = $1", [item.number])
    );
    if (!row) throw new GoneError(item);
    return contentIn(row.line, item);
  }

  /** Nobody is kept from publishing it: what is redacted is published so, or not found any more. */
  async hold<T>(item: WaitingEvent, work: () => Promise<T>): Promise<T | undefined> {
    try {
      return await work();
    } catch (error) {
      if (error instanceof GoneError && error.item === item) return undefined;
      throw error;
    }
  }

  async redact(
    item: WaitingEvent,
    { event, changes }: { event: StoredEvent; changes: readonly StateChange[] },
  ): Promise<void> {
    const { number, id, topic } = item;
    // Redactions are of the catalog.
    await this.#context.host.transact({
      on: [],
      first: changes,
      async decide(rows) {
        const held = await rows.holdWaiting({ ids: [id], topic });
        if (held[0]?.number !== number) throw new GoneError(item);
        const line = toWireLine(event);
        const change = { op: "scheduled.redact" as const, number, key: event.key, line };
        return { changes: [change], result: undefined };
      },
    });
  }

  #read<T>(read: (query: Query) => Promise<T>): Promise<T> {
    const { postgres } = this.#context;
    return patiently(
      () => read((text, values) => postgres.query("read", text, values)),
      this.#context,
    );
  }
}

function acceptanceOf({ due, waits, seq }: RowAnswer): Acceptance {
  if (due !== undefined) return { dueAt: due, seq: 0 };
  if (waits !== undefined) return { dueAt: waits, seq: 0, duplicate: true };
  return { seq: seq!, duplicate: true };
}
