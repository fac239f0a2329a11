/**
 * Stores events that are published later. Those that come in while some are being stored go together,
 * as one call of `evs.schedule_1`, and each is stored once although connections are lost.
 */
import type { NewEvent } from "../../event/event.ts";
import { storedEvent, toWireLine } from "../../event/event.ts";
import type { Schedule } from "../../event/schedule.ts";
import { Producer, type ProducerOptions } from "../../store/postgres/producer.ts";
import type { AppendRequest, CheckedUnder, Recheck } from "../../store/store.ts";
import { StaleError } from "../stale.ts";
import { listText, listType } from "./values.ts";

/** Most events that go together. */
const MOST_TOGETHER = 256;
/** How often an event is checked again. */
const MOST_RECHECKS = 5;

const TYPES = ["text", "bigint"] as const;
const ROW_TYPES = ["text", "text", "boolean", "text", "text", "time", "time", "boolean", "bytea"];
const LISTS = [...TYPES, undefined, ...ROW_TYPES] as (Parameters<typeof listType>[0] | undefined)[];
const SCHEDULE = `SELECT evs.schedule_1($1, $2, $3, $4, ${
  LISTS.map((type, i) => `$${i + 5}${type ? listType(type) : ""}`).join(", ")
}) AS answer`;

/** What the database says of an event: one of these. */
export interface RowAnswer {
  /** It waits until then, Unix ms. */
  due?: number;
  /** One waits under its id, until then. */
  waits?: number;
  /** It was published before, with this seq. */
  seq?: number;
  /** It is due, and is not stored. */
  past?: true;
}

/** An event to be stored. */
export interface Later {
  topic: string;
  event: NewEvent;
  schedule: Schedule;
  stamped: boolean;
  /** What it was checked by. */
  under: CheckedUnder;
}

interface Waiting extends Omit<Later, "topic" | "event" | "under"> {
  request: AppendRequest & { under: CheckedUnder };
  /** How often it was checked again. */
  rechecks: number;
  resolve(answer: RowAnswer): void;
  reject(error: unknown): void;
}

/** Where and how to store. */
export interface AcceptingOptions extends Omit<ProducerOptions, "name" | "role"> {
  dedupWindow: number;
  recheck: Recheck;
}

/** Stores events that are published later, one call at a time. */
export class Accepting {
  readonly #producer: Producer;
  readonly #options: AcceptingOptions;
  #waiting: Waiting[] = [];
  #running: Promise<void> | undefined;

  constructor(options: AcceptingOptions) {
    this.#options = options;
    this.#producer = new Producer({ ...options, role: "state" });
  }

  /** Resolves when it is durable, or is not to be stored. */
  put({ topic, event, under, schedule, stamped }: Later): Promise<RowAnswer> {
    const { promise, resolve, reject } = Promise.withResolvers<RowAnswer>();
    // A copy: what is checked again is changed.
    const request = { topic, events: [{ ...event }], under: { ...under } };
    this.#waiting.push({ request, schedule, stamped, rechecks: 0, resolve, reject });
    this.#running ??= this.#run();
    return promise;
  }

  /** Resolves when nothing is under way. */
  async close(): Promise<void> {
    this.#producer.close();
    await this.#running;
  }

  async #run(): Promise<void> {
    while (this.#waiting.length > 0) {
      const together = takeTogether(this.#waiting);
      try {
        await this.#store(together);
      } catch (error) {
        for (const { reject } of together) reject(error);
      }
    }
    this.#running = undefined;
  }

  async #store(together: readonly Waiting[]): Promise<void> {
    const { dedupWindow } = this.#options;
    const text = await this.#producer.call(SCHEDULE, [dedupWindow, ...valuesOf(together)]);
    const { stale, rows } = JSON.parse(text) as { stale?: true; rows: RowAnswer[] };
    if (stale) return await this.#checkAgain(together);
    for (const [i, { resolve }] of together.entries()) resolve(rows[i]!);
  }

  /** Somebody else has changed what they were checked by: those that still pass are sent again. */
  async #checkAgain(together: readonly Waiting[]): Promise<void> {
    const refusals = await this.#options.recheck(together.map(({ request }) => request));
    const again = together.filter((one, i) => {
      const refused = refusals[i] ??
        (one.rechecks++ < MOST_RECHECKS ? undefined : new StaleError());
      if (refused) one.reject(refused);
      return !refused;
    });
    this.#waiting.unshift(...again);
  }
}

/** Takes those in front that were checked by the same. */
function takeTogether(waiting: Waiting[]): Waiting[] {
  const { schemas } = waiting[0]!.request.under;
  const revs = new Map<string, number>();
  let count = 0;
  for (const { request: { topic, under } } of waiting) {
    const rev = revs.get(topic) ?? under.topic;
    if (count === MOST_TOGETHER || under.schemas !== schemas || under.topic !== rev) break;
    revs.set(topic, rev);
    count++;
  }
  return waiting.splice(0, count);
}

function valuesOf(together: readonly Waiting[]): (string | number | null)[] {
  const revs = new Map(together.map(({ request }) => [request.topic, request.under.topic]));
  const events = together.map(({ request }) => request.events[0]!);
  return [
    listText([...revs.keys()]),
    listText([...revs.values()]),
    together[0]!.request.under.schemas ?? null,
    listText(together.map(({ request }) => request.topic)),
    listText(events.map(({ id }) => id)),
    listText(events.map(({ idGiven }) => idGiven)),
    listText(events.map(({ type }) => type)),
    listText(events.map(({ key }) => key ?? null)),
    listText(together.map(({ schedule: { at } }) => at ?? null)),
    listText(together.map(({ schedule: { delayMs } }) => wholeMs(delayMs))),
    listText(together.map(({ stamped }) => stamped)),
    listText(together.map(({ request }, i) => lineOf(request.topic, events[i]!))),
  ];
}

function wholeMs(ms: number | undefined): number | null {
  return ms === undefined ? null : Math.round(ms);
}

function lineOf(topic: string, event: NewEvent): Uint8Array {
  return toWireLine(storedEvent(event, { topic, seq: 0 }));
}
