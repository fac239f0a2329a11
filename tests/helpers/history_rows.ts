/** Rows of a history for tests: one for each minute from a certain one on. */
import { HistoryFile, type Sample } from "../../core/history/history_file.ts";
import {
  DAEMON_FIELDS,
  SUBSCRIPTION_FIELDS,
  TOPIC_FIELDS,
  type Values,
} from "../../core/history/layout.ts";
import { gridColumns, gridOf, placed } from "../../core/history/points.ts";
import type { HistoryColumn } from "../../core/protocol/history.ts";

export const MINUTE = 60_000;
/** The beginning of ten minutes. */
export const T0 = 1_700_000_400_000;

/** What happened in a minute: by name, how much was published or acknowledged. */
export interface MinuteOf {
  topics?: Record<string, number>;
  subscriptions?: Record<string, number>;
}

/** The row at the end of minute `n`; what is counted in it is `count`. */
export function minuteRow(n: number, count: number, of: MinuteOf = {}): Sample {
  const cells = (fields: readonly { name: string }[], first: number): Values =>
    fields.map((_, i) => i === 0 ? first : n);
  const named = (fields: readonly { name: string }[], counts: Record<string, number> = {}) =>
    new Map(Object.entries(counts).map(([name, one]) => [name, cells(fields, one)]));
  return {
    stamp: { at: T0 + (n + 1) * MINUTE, known: MINUTE, width: MINUTE },
    daemon: cells(DAEMON_FIELDS, count),
    topics: named(TOPIC_FIELDS, of.topics),
    subscriptions: named(SUBSCRIPTION_FIELDS, of.subscriptions),
  };
}

/** A history whose damage is collected. */
export function historyAt(path: string): { file: HistoryFile; damage: string[] } {
  const damage: string[] = [];
  return { file: new HistoryFile(path, { onDamage: (what) => damage.push(what) }), damage };
}

/** The first field of each minute up to `minutes`, of the daemon, a topic or a subscription. */
export function countsIn(
  file: HistoryFile,
  { minutes, step = MINUTE, kind, name = "" }: {
    minutes: number;
    step?: number;
    kind?: "topics" | "subscriptions";
    name?: string;
  },
): HistoryColumn {
  const rows = file.read(kind === undefined ? [] : [{ kind, name }], { first: () => 0 });
  const line = { times: placed(rows.stamps, T0 + minutes * MINUTE), stamps: rows.stamps };
  const fields = kind === undefined
    ? DAEMON_FIELDS
    : kind === "topics"
    ? TOPIC_FIELDS
    : SUBSCRIPTION_FIELDS;
  const cells = kind === undefined ? rows.daemon : rows.cells[0]!;
  const steps = { from: T0, step, count: Math.ceil(minutes * MINUTE / step) };
  return gridColumns(fields, gridOf(line, steps), cells)[fields[0]!.name]!;
}

/** The sum of what is known. */
export function sum(column: HistoryColumn): number {
  return column.reduce((sum: number, count) => sum + (count ?? 0), 0);
}

if (import.meta.main) {
  // Adds rows until it is killed, and says how many it has added.
  const [path, first] = Deno.args as [string, string];
  const { file } = historyAt(path);
  for (let n = Number(first);; n++) {
    const name = `s${n % 50}`;
    file.append(minuteRow(n, 1, { topics: { t: 1 }, subscriptions: { [name]: 1, stays: 1 } }));
    Deno.stdout.writeSync(new TextEncoder().encode(`${n}\n`));
  }
}
