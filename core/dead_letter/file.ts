/**
 * Dead letters in a folder, without a daemon: one file that `jq` reads, synced before an event
 * counts as given up.
 *
 * An entry is here until the event was handled. `retryEvent` writes down that it is to be sent
 * again; the broker that holds the queue delivers it and takes the entry away only when the handler
 * succeeded. Without a broker the mark waits for the next one that opens the folder and has the
 * subscription. So no moment of a crash loses an entry: at worst an event that was just handled
 * comes once more.
 */
import { thrownStack } from "../base/thrown.ts";
import { thrownReason } from "../base/thrown_reason.ts";
import type { Event } from "../event/event.ts";
import { DataDirError } from "../base/errors.ts";
import { type LinePosition, LogFile, type OpenReport } from "./log_file.ts";
import type { AddedEntry, EntryName, LogRecord } from "./log_line.ts";
import type {
  DeadLetterDetails,
  DeadLetterEntry,
  DeadLetterHost,
  DeadLetterQuery,
  DeadLetterQueue,
} from "./queue.ts";

/** How a {@link FileDeadLetterQueue} behaves. */
export interface FileDeadLetterQueueOptions {
  /** Told of what opening the folder found, and of deliveries that failed. Default: the console. */
  onError?: (error: unknown, context: string) => void;
  /** Unix ms. Default: the clock. */
  now?: () => number;
}

interface Held extends EntryName {
  type: string;
  attempts: number;
  place: LinePosition;
  /** Where it is written that it is to be sent again. */
  retry?: LinePosition;
}

/**
 * The file is written anew when it is this large, and two thirds of its lines say nothing any more.
 */
const WORTH_REWRITING = 1024 * 1024;

/** Dead letters in a folder. */
export class FileDeadLetterQueue implements DeadLetterQueue {
  readonly #dir: string;
  readonly #options: FileDeadLetterQueueOptions;
  /** Oldest first. */
  readonly #held = new Map<string, Held>();
  #log: Promise<LogFile> | undefined;
  #host: DeadLetterHost | undefined;
  #lines = 0;
  #turn: Promise<unknown> = Promise.resolve();

  /**
   * A queue in `dir`, which is made and locked when the queue is first used. Throws nothing; the
   * first use may.
   */
  constructor(dir: string, options: FileDeadLetterQueueOptions = {}) {
    this.#dir = dir;
    this.#options = options;
  }

  /**
   * Keeps an event; durable when it resolves. The same event of the same subscription is kept once,
   * as it was last.
   */
  async addEvent(
    event: Event,
    error: Error,
    subscriptionName: string,
    details: DeadLetterDetails = {},
  ): Promise<void> {
    const stack = thrownStack(error);
    await this.#inTurn(async (log) => {
      const name = { subscription: subscriptionName, topic: event.topic, id: event.id };
      const before = this.#held.get(keyOf(name));
      const attempts = details.attempts ?? (before?.attempts ?? 0) + 1;
      const record: AddedEntry = {
        op: "add",
        subscription: subscriptionName,
        error: thrownReason(error),
        ...(stack === undefined ? {} : { stack }),
        timestamp: (this.#options.now ?? Date.now)(),
        attempts,
        event,
      };
      this.#take(record, await log.append(record));
    });
  }

  /** Newest first. */
  async getEvents(options: DeadLetterQuery = {}): Promise<DeadLetterEntry[]> {
    return await this.#inTurn((log) => {
      const { topic, eventType, limit } = options;
      const wanted = [...this.#held.values()].reverse().filter((held) =>
        (topic === undefined || held.topic === topic) &&
        (eventType === undefined || held.type === eventType)
      ).slice(0, limit || undefined);
      return Promise.resolve(wanted.map(({ place }) => entryOf(log.read(place))));
    });
  }

  /**
   * Sends an event again to every subscription that gave it up: through the broker that holds the
   * queue, or, where none does, through the next one. False when there is none of that id. Throws
   * `ConflictError` where a subscription is gone.
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
   * Forgets an event, of every subscription that gave it up. False when there is none of that id.
   */
  async removeEvent(eventId: string): Promise<boolean> {
    const names = await this.#named(eventId);
    for (const name of names) await this.#remove(name);
    return names.length > 0;
  }

  /** Called by the broker that holds the queue, once. */
  attach(host: DeadLetterHost): void {
    this.#host = host;
  }

  /** A subscription is there: what was marked for it is sent again. Called by the broker. */
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

  /** A retry was handled: if it came from here, its entry has served. Called by the broker. */
  async delivered(name: { subscription: string; topic: string; id: string }): Promise<void> {
    const isOurs = await this.#inTurn(() =>
      Promise.resolve(this.#held.get(keyOf(name))?.retry !== undefined)
    );
    // A retry that never was a dead letter is none of ours.
    if (isOurs) await this.#remove(name);
  }

  /** Ends what is under way, and lets another queue have the folder. */
  async close(): Promise<void> {
    await this.#turn;
    const log = this.#log;
    this.#log = undefined;
    this.#held.clear();
    (await log?.catch(() => undefined))?.close(); // whoever needed it was told why it cannot be opened
  }

  /** Closes it. */
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

  /** What a line says, in memory. */
  #take(record: LogRecord, place: LinePosition): void {
    this.#lines++;
    if (record.op === "format") return;
    if (record.op === "add") {
      const { subscription, event: { id, topic, type }, attempts } = record;
      const name = { subscription, topic, id };
      // What died again is the newest.
      this.#held.delete(keyOf(name));
      this.#held.set(keyOf(name), { ...name, type, attempts, place });
      return;
    }
    const held = this.#held.get(keyOf(record));
    if (!held) return;
    if (record.op === "retry") held.retry = place;
    else this.#held.delete(keyOf(record));
  }

  async #tidy(log: LogFile): Promise<void> {
    if (log.size < WORTH_REWRITING || this.#lines < 3 * this.#held.size) return;
    const held = [...this.#held.values()];
    const places = held.flatMap(({ place, retry }) => retry ? [place, retry] : [place]);
    const fresh = await log.rewrite(places);
    for (const one of held) {
      one.place = fresh.shift()!;
      if (one.retry) one.retry = fresh.shift()!;
    }
    this.#lines = places.length + 1;
  }

  /** One call at a time: what one decides by is there when it writes. */
  #inTurn<T>(work: (log: LogFile) => Promise<T>): Promise<T> {
    const result = this.#turn.then(async () => await work(await this.#open()));
    this.#turn = result.catch(() => {}); // told to whoever called
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
      ...tornBytes > 0 ? [`${tornBytes} bytes that nobody was told of were cut off its end`] : [],
      ...damagedLines > 0 ? [`${damagedLines} damaged lines were put into ${damaged}`] : [],
    ];
    if (told.length === 0) return;
    const error = new DataDirError(
      "datadir/damaged",
      `the dead letters in ${this.#dir}: ${told.join("; ")}; the rest is served`,
      { details: { tornBytes, damagedLines, damaged } },
    );
    if (this.#options.onError) this.#options.onError(error, "dead letters");
    // deno-lint-ignore no-console -- the default of a library that was told of nobody else
    else console.error("env-event-stream:", error);
  }
}

function keyOf({ subscription, topic, id }: EntryName): string {
  return `${subscription}\n${topic}\n${id}`;
}

function entryOf(record: LogRecord): DeadLetterEntry {
  const { event, error, subscription, timestamp, attempts } = record as AddedEntry;
  return { event, error, subscription, timestamp, attempts };
}
