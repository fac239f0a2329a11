/**
 * Keeps the history of the last 72 hours (docs/adr/0061-history.md). A row is stored at the end of
 * a minute in which something happened; while nothing happens no timer runs.
 */
import type { Clock } from "../core/base/clock.ts";
import { isPromise, type MaybePromise, whenReady } from "../core/base/maybe_promise.ts";
import { thrownText } from "../core/base/thrown.ts";
import type { HistoryFile, HistoryRows, NamedKind } from "../core/history/history_file.ts";
import {
  DAEMON_FIELDS,
  type RowField,
  type Stamp,
  SUBSCRIPTION_FIELDS,
  TOPIC_FIELDS,
  type Values,
} from "../core/history/layout.ts";
import { coverage, gridColumns, gridOf, placed, type Steps } from "../core/history/points.ts";
import type { DaemonHistory, HistoryColumn, HistoryReply } from "../core/protocol/history.ts";
import type { CountedBefore, HistorySource, Measured } from "./history_source.ts";

const MINUTE = 60_000;
const FIELDS: Record<NamedKind, readonly RowField[]> = {
  topics: TOPIC_FIELDS,
  subscriptions: SUBSCRIPTION_FIELDS,
};

/** What is asked for, checked. */
export interface HistoryRequest extends Steps {
  /** By kind, each once. Empty: the daemon. */
  names: readonly { kind: NamedKind; name: string }[];
}

/** What {@link HistoryKeeper} needs. */
export interface HistoryOptions {
  /** Absent: nothing is kept. */
  file: HistoryFile | undefined;
  source: Pick<HistorySource, "names" | "count" | "measure">;
  clock: Clock;
  /** True while the disk is full. */
  isFull(): boolean;
  log: HistoryLog;
}

/** Told when rows begin to be lost, and when that is over. */
export interface HistoryLog {
  /** Rows cannot be stored any more, and it has not been said. */
  failed(error: unknown): void;
  /** They can again. */
  goesOn(): void;
}

/** Says it in the daemon's log: why in words, and with the error as a fact of its own. */
export function historyLog(logger: {
  warning(message: string, facts: Record<string, unknown>): void;
  info(message: string): void;
}): HistoryLog {
  return {
    failed: (error) =>
      logger.warning("the history is not kept: {why}", { why: thrownText(error), error }),
    goesOn: () => logger.info("the history is kept again"),
  };
}

/** Stores rows, and makes the points of charts from them. */
export class HistoryKeeper {
  readonly #options: HistoryOptions;
  /** When the last row was stored, or the daemon was started, monotonic ms. */
  #last: number;
  /** When the first change since then was; undefined: none. */
  #changed: number | undefined;
  #isFirst = true;
  /** What was measured for the last row, as far as it changes only when something happens. */
  #gauges: Gauges = new Map();
  #hasFailed = false;
  #cancel: (() => void) | undefined;
  #stopped = false;

  constructor(options: HistoryOptions) {
    this.#options = options;
    this.#last = options.clock.monotonic();
    // A start is a change.
    this.note();
  }

  /** Something happened, or may have. Costs nothing if it is not the first in its minute. */
  note(): void {
    if (this.#cancel !== undefined || this.#stopped || !this.#options.file) return;
    const { clock } = this.#options;
    this.#changed ??= clock.monotonic();
    this.#cancel = clock.setTimer(() => {
      this.#cancel = undefined;
      this.#store();
    }, MINUTE - clock.now() % MINUTE);
  }

  /** Stores the last row: what is after it is not known. */
  stop(): MaybePromise<void> {
    this.#cancel?.();
    if (this.#stopped) return;
    this.#stopped = true;
    return this.#store({ always: true });
  }

  /** The points of a chart; the last row is what is there now. */
  read(request: HistoryRequest): MaybePromise<HistoryReply> {
    return whenReady(this.#options.source.count(), (counted) => this.#read(request, counted));
  }

  #read({ names, ...steps }: HistoryRequest, counted: CountedBefore): HistoryReply {
    const { file, source, clock } = this.#options;
    const now = clock.now();
    const of = (kind: NamedKind) => names.filter((one) => one.kind === kind).map((one) => one.name);
    const live = source.measure(
      { topics: of("topics"), subscriptions: of("subscriptions") },
      counted,
    );
    // The current millisecond is in the current step.
    const end = now + 1;
    const stamp = { ...this.#stamp(), at: end, through: 0 };
    let times = [end];
    const rows = file?.read(names, {
      first(stamps) {
        times = placed([...stamps, stamp], end);
        const first = Math.max(0, times.findIndex((time) => time >= steps.from) - 1);
        times = times.slice(first);
        return first;
      },
    });
    const grid = gridOf({ times, stamps: [...rows?.stamps ?? [], stamp] }, steps);
    const columns: Columns = (fields, cells = [], values) =>
      gridColumns(fields, grid, [...cells, values]);
    const reply: HistoryReply = {
      at: now,
      from: steps.from,
      until: steps.from + steps.count * steps.step,
      step: steps.step,
      covered: coverage(grid),
    };
    if (names.length > 0) return { ...reply, ...this.#named(names, { live, rows, columns }) };
    const values = file ? live.daemon : uncounted(DAEMON_FIELDS, live.daemon);
    const daemon = columns(DAEMON_FIELDS, rows?.daemon, values);
    return { ...reply, daemon: daemon as unknown as DaemonHistory };
  }

  #named(
    names: HistoryRequest["names"],
    { live, rows, columns }: { live: Measured; rows: HistoryRows | undefined; columns: Columns },
  ): Pick<HistoryReply, NamedKind> {
    const reply: { topics?: unknown[]; subscriptions?: unknown[] } = {};
    const kept = this.#select();
    for (const [i, { kind, name }] of names.entries()) {
      const isKept = kept?.[kind].has(name) ?? false;
      const values = live[kind].get(name);
      const last = isKept || !values ? values : uncounted(FIELDS[kind], values);
      const series = columns(FIELDS[kind], rows?.cells[i], last);
      (reply[kind] ??= []).push({ name, kept: isKept, ...series });
    }
    return reply as Pick<HistoryReply, NamedKind>;
  }

  #select(): Record<NamedKind, Set<string>> | undefined {
    const { file, source } = this.#options;
    if (file === undefined) return undefined;
    const names = source.names();
    return {
      topics: file.select("topics", names.topics),
      subscriptions: file.select("subscriptions", names.subscriptions),
    };
  }

  #stamp(): Omit<Stamp, "through"> {
    const { clock } = this.#options;
    const mono = clock.monotonic();
    const known = mono - this.#last;
    return { at: clock.now(), known, width: mono - (this.#changed ?? mono) };
  }

  /** Never throws or rejects. */
  #store({ always = false } = {}): MaybePromise<void> {
    const { file, source, isFull } = this.#options;
    if (file === undefined || isFull()) return;
    try {
      const counted = source.count();
      if (!isPromise(counted)) return this.#append(file, { always, counted });
      return counted.then((counted) => this.#append(file, { always, counted }))
        .catch((error) => this.#notStored(error));
    } catch (error) {
      this.#notStored(error);
    }
  }

  #append(
    file: HistoryFile,
    { always, counted }: { always: boolean; counted: CountedBefore },
  ): void {
    const { source, log } = this.#options;
    const measured = source.measure(this.#select()!, counted);
    const gauges = gaugesOf(measured);
    if (!always && !this.#isFirst && !counts(measured) && isSame(gauges, this.#gauges)) {
      this.#changed = undefined;
      return;
    }
    const stamp = this.#stamp();
    file.append({ stamp, ...measured });
    measured.accept();
    this.#last += stamp.known;
    this.#changed = undefined;
    this.#isFirst = false;
    this.#gauges = gauges;
    if (this.#hasFailed) log.goesOn();
    this.#hasFailed = false;
  }

  /** Telemetry never stops the daemon. What is counted will be in the next row. */
  #notStored(error: unknown): void {
    if (!this.#hasFailed) this.#options.log.failed(error);
    this.#hasFailed = true;
  }
}

type Gauges = Map<string, Values>;
type Columns = (
  fields: readonly RowField[],
  cells: readonly (Values | undefined)[] | undefined,
  last: Values | undefined,
) => Record<string, HistoryColumn>;

function* seriesOf(
  { daemon, topics, subscriptions }: Measured,
): Generator<[key: string, fields: readonly RowField[], values: Values]> {
  yield ["", DAEMON_FIELDS, daemon];
  for (const [name, values] of topics) yield [`topic ${name}`, TOPIC_FIELDS, values];
  for (const [name, values] of subscriptions) yield [name, SUBSCRIPTION_FIELDS, values];
}

function gaugesOf(measured: Measured): Gauges {
  const gauges: Gauges = new Map();
  for (const [key, fields, values] of seriesOf(measured)) {
    gauges.set(key, values.filter((_, i) => fields[i]!.as === "most" && !fields[i]!.restless));
  }
  return gauges;
}

/** True if anything was counted. */
function counts(measured: Measured): boolean {
  for (const [, fields, values] of seriesOf(measured)) {
    if (values.some((value, i) => fields[i]!.as === "sum" && value > 0)) return true;
  }
  return false;
}

function isSame(one: Gauges, other: Gauges): boolean {
  if (one.size !== other.size) return false;
  for (const [key, values] of one) {
    const others = other.get(key);
    if (!others || values.some((value, i) => value !== others[i])) return false;
  }
  return true;
}

/** Without what was counted, because it is not known since when. */
function uncounted(fields: readonly RowField[], values: Values): Values {
  return values.map((value, i) => fields[i]!.as === "sum" ? NaN : value);
}
