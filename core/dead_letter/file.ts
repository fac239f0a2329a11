/**
 * Dead letters in a folder, without a daemon: one file that `jq` can read, synced before an event
 * counts as given up.
 *
 * An entry stays until its event was handled. `retryEvent` records that it is to be redelivered;
 * the broker that has the queue attached delivers it, and removes the entry only when the handler
 * has succeeded. Without a broker the mark waits for the next one that opens the folder and has the
 * subscription. So a crash never loses an entry: at worst, an event that was just handled is
 * delivered once more.
 */
import { assertObject, assertPlace } from "../base/options.ts";
import { assertDeadLetter } from "./queue.ts";
import { systemClock } from "../base/clock.ts";
import { AgeClock } from "../store/age_clock.ts";
import { trimmed } from "./trimmed.ts";
import { defined } from "../base/defined.ts";
import { thrownStack } from "../base/thrown.ts";
import { thrownReason } from "../base/thrown_reason.ts";
import type { Event } from "../event/event.ts";
import { REDACTED } from "../state/redactions.ts";
import { DataDirError } from "../base/errors.ts";
import { type LinePosition, LogFile, type OpenReport } from "./log_file.ts";
import type { AddedEntry, EntryName, LogRecord } from "./log_line.ts";
import type {
  DeadLetterDetails,
  DeadLetterEntry,
  DeadLetterHost,
  DeadLetterQuery,
  DeadLetterQueue,
  DeadLetterTrim,
  DeadLetterTrimmed,
} from "./queue.ts";

/** Options of a {@link FileDeadLetterQueue}. */
export interface FileDeadLetterQueueOptions {
  /**
   * Called for problems found when opening the folder, and for failed deliveries. Default: the
   * console.
   */
  onError?: (error: unknown, context: string) => void;
  /** Unix ms. Default: the clock. */
  now?: () => number;
}

interface Held extends EntryName {
  type: string;
  timestamp: number;
  attempts: number;
  place: LinePosition;
  /** The line with its retry mark. */
  retry?: LinePosition;
}

/** The file is rewritten when it reaches this size and two thirds of its lines are obsolete. */
const WORTH_REWRITING = 1024 * 1024;

/**
 * Dead letters in a folder.
 *
 * ```ts
 * import { EventBroker } from "@env/env-event-stream";
 *
 * const deadLetterQueue = new FileDeadLetterQueue("./dead-letters");
 * await using broker = new EventBroker({ deadLetterQueue });
 * ```
 */
export class FileDeadLetterQueue implements DeadLetterQueue {
  readonly #dir: string;
  readonly #options: FileDeadLetterQueueOptions;
  /** Oldest first. */
  readonly #held = new Map<string, Held>();
  #log: Promise<LogFile> | undefined;
  #host: DeadLetterHost | undefined;
  readonly #clock: AgeClock;
  #lines = 0;
  #turn: Promise<unknown> = Promise.resolve();

  /**
   * A queue in `dir`, which is created and locked on first use. The constructor opens nothing.
   */
  constructor(dir: string, options: FileDeadLetterQueueOptions = {}) {
    this.#dir = assertPlace(dir, "the folder of a FileDeadLetterQueue");
    this.#options = assertObject(options, "the options of FileDeadLetterQueue");
    const wall = { ...systemClock, now: options.now ?? systemClock.now };
    this.#clock = new AgeClock(wall, { skew: 0, newest: 0, save: () => true });
  }

  /**
   * Adds an event; durable when it resolves. The same event of the same subscription is kept once,
   * in its latest form.
   */
  async addEvent(
    event: Event,
    error: Error,
    subscriptionName: string,
    details: DeadLetterDetails = {},
  ): Promise<void> {
    assertDeadLetter(event, subscriptionName);
    const stack = thrownStack(error);
    await this.#inTurn(async (log) => {
      const name = { subscription: subscriptionName, topic: event.topic, id: event.id };
      const before = this.#held.get(keyOf(name));
      const attempts = details.attempts ?? (before?.attempts ?? 0) + 1;
      const record: AddedEntry = {
        op: "add",
        subscription: subscriptionName,
        error: thrownReason(error),
        stack,
        timestamp: (this.#options.now ?? Date.now)(),
        attempts,
        unanswered: details.unanswered,
        event,
      };
      this.#take(record, await log.append(record));
    });
  }

  /** Newest first. */
  async getEvents(options: DeadLetterQuery = {}): Promise<DeadLetterEntry[]> {
    const { topic, eventType, limit } = assertObject(options, "the query of getEvents");
    return await this.#inTurn((log) => {
      const wanted = [...this.#held.values()].reverse().filter((held) =>
        (topic === undefined || held.topic === topic) &&
        (eventType === undefined || held.type === eventType)
      ).slice(0, limit || undefined);
      return Promise.resolve(wanted.map(({ place }) => entryOf(log.read(place))));
    });
  }

  /**
   * Redelivers an event to every subscription that gave up on it: through the broker that has the
   * queue attached, or else through the next one. False if there is no event with that id. Throws
   * `ConflictError` if a subscription no longer exists.
   */
  async retryEvent(eventId: string): Promise<boolean> {
    const names = await this.#named(eventId);
    for (const name of names) this.#host?.assertThere(name.subscription);
    for (const name of names) {
      const entry = await this.#inTurn(async (log) => {
        const held = this.#held.get(keyOf(name));
        if (!held) return undefined;
        held.retry ??= await this.#append(log, { op: "retry", ...name });
        return entryOf(log.read(held.place));
      });
      if (entry) await this.#redeliver(entry);
    }
    return names.length > 0;
  }

  /**
   * Removes an event for every subscription that gave up on it. False if there is none with that
   * id.
   */
  async removeEvent(eventId: string): Promise<boolean> {
    const names = await this.#named(eventId);
    for (const name of names) await this.#remove(name);
    return names.length > 0;
  }

  /**
   * Removes what the limits of a topic do not keep, one entry at a time; called by the broker. Age
   * counts from when an entry was added. Entries that are being redelivered stay.
   */
  async trim(limits: DeadLetterTrim): Promise<DeadLetterTrimmed[]> {
    const now = this.#clock.now();
    const removals = await this.#inTurn(() =>
      Promise.resolve(trimmed([...this.#held.values()].filter(({ retry }) => !retry), limits, now))
    );
    const counts = new Map<string, DeadLetterTrimmed>();
    for (const { name, why } of removals) {
      const { subscription } = name;
      const count = counts.get(subscription) ?? { subscription, expired: 0, capped: 0 };
      await this.#remove(name);
      count[why]++;
      counts.set(subscription, count);
    }
    return [...counts.values()];
  }

  /** Called once, by the broker that has the queue. */
  attach(host: DeadLetterHost): void {
    this.#host = host;
  }

  /** A subscription exists: redelivers what was marked for it. Called by the broker. */
  async subscribed(subscription: string): Promise<void> {
    const marked = await this.#inTurn((log) =>
      Promise.resolve(
        [...this.#held.values()]
          .filter((held) => held.retry && held.subscription === subscription)
          .map(({ place }) => entryOf(log.read(place))),
      )
    );
    for (const entry of marked) await this.#redeliver(entry);
  }

  /** A retry was handled: removes its entry, if there is one. Called by the broker. */
  async delivered(name: { subscription: string; topic: string; id: string }): Promise<void> {
    const isOurs = await this.#inTurn(() =>
      Promise.resolve(this.#held.get(keyOf(name))?.retry !== undefined)
    );
    // Other retries never were dead letters of this queue.
    if (isOurs) await this.#remove(name);
  }

  /**
   * An event was redacted: its entries say so, and what they and removed ones said is gone from the
   * file. Called by the broker.
   */
  async redact(event: Event): Promise<void> {
    await this.#inTurn(async (log) => {
      for (const { topic, id, place } of [...this.#held.values()]) {
        if (topic !== event.topic || id !== event.id) continue;
        const { stack: _stack, ...before } = log.read(place) as AddedEntry;
        // Another event of the same id.
        if ((before.event.seq ?? event.seq) !== event.seq) continue;
        await this.#append(log, { ...before, error: REDACTED, event });
      }
      await this.#rewrite(log);
    });
  }

  /** Finishes what is under way, and releases the folder for another queue. */
  async close(): Promise<void> {
    await this.#turn;
    const log = this.#log;
    this.#log = undefined;
    this.#held.clear();
    (await log?.catch(() => undefined))?.close(); // whoever used it got the error
  }

  /** Closes the queue. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #redeliver(entry: DeadLetterEntry): Promise<void> {
    const { topic, id } = entry.event;
    const key = keyOf({ subscription: entry.subscription, topic, id });
    await this.#host?.redeliver(entry, () => this.#held.get(key)?.retry !== undefined);
  }

  #named(eventId: string): Promise<EntryName[]> {
    return this.#inTurn(() =>
      Promise.resolve(
        [...this.#held.values()].filter(({ id }) => id === eventId)
          .map(({ subscription, topic, id }) => ({ subscription, topic, id })),
      )
    );
  }

  async #remove(name: EntryName): Promise<void> {
    await this.#inTurn(async (log) => {
      if (!this.#held.has(keyOf(name))) return;
      const record: LogRecord = { op: "remove", ...name };
      this.#take(record, await log.append(record));
      await this.#tidy(log);
    });
  }

  async #append(log: LogFile, record: LogRecord): Promise<LinePosition> {
    const place = await log.append(record);
    this.#take(record, place);
    return place;
  }

  /** Applies a line to the state in memory. */
  #take(record: LogRecord, place: LinePosition): void {
    this.#lines++;
    if (record.op === "format") return;
    if (record.op === "add") {
      const { subscription, event: { id, topic, type }, attempts, timestamp } = record;
      const name = { subscription, topic, id };
      // An event that died again is the newest.
      this.#held.delete(keyOf(name));
      this.#held.set(keyOf(name), { ...name, type, timestamp, attempts, place });
      return;
    }
    const held = this.#held.get(keyOf(record));
    if (!held) return;
    if (record.op === "retry") held.retry = place;
    else this.#held.delete(keyOf(record));
  }

  async #tidy(log: LogFile): Promise<void> {
    if (log.size >= WORTH_REWRITING && this.#lines >= 3 * this.#held.size) await this.#rewrite(log);
  }

  /** Leaves only the lines that count in the file. */
  async #rewrite(log: LogFile): Promise<void> {
    const held = [...this.#held.values()];
    const places = held.flatMap(({ place, retry }) => retry ? [place, retry] : [place]);
    const fresh = await log.rewrite(places);
    for (const one of held) {
      one.place = fresh.shift()!;
      if (one.retry) one.retry = fresh.shift()!;
    }
    this.#lines = places.length + 1;
  }

  /** Runs one call at a time, so that decisions are still valid when they are written. */
  #inTurn<T>(work: (log: LogFile) => Promise<T>): Promise<T> {
    const result = this.#turn.then(async () => await work(await this.#open()));
    this.#turn = result.catch(() => {}); // the caller gets the error
    return result;
  }

  #open(): Promise<LogFile> {
    return this.#log ??= LogFile.open(this.#dir, (record, place) => this.#take(record, place))
      .then(({ log, report }) => {
        this.#tell(report);
        return log;
      }, (error) => {
        this.#log = undefined;
        this.#held.clear();
        throw error;
      });
  }

  #tell({ tornBytes, damagedLines, damaged }: OpenReport): void {
    const told = [
      ...tornBytes > 0 ? [`${tornBytes} unacknowledged bytes were cut off its end`] : [],
      ...damagedLines > 0 ? [`${damagedLines} damaged lines were moved to ${damaged}`] : [],
    ];
    if (told.length === 0) return;
    const error = new DataDirError(
      "datadir/damaged",
      `the dead letters in ${this.#dir}: ${told.join("; ")}; the rest is served`,
      { details: { tornBytes, damagedLines, damaged } },
    );
    if (this.#options.onError) this.#options.onError(error, "dead letters");
    // deno-lint-ignore no-console -- the default if the application gives no callback
    else console.error("env-event-stream:", error);
  }
}

function keyOf({ subscription, topic, id }: EntryName): string {
  return `${subscription}\n${topic}\n${id}`;
}

function entryOf(record: LogRecord): DeadLetterEntry {
  const { event, error, subscription, timestamp, attempts, unanswered } = record as AddedEntry;
  return {
    event,
    error,
    subscription,
    timestamp,
    attempts,
    ...defined({ unanswered }),
  };
}
