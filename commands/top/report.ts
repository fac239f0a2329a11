/** One reading, for scripts and for `--once`. */
import { formatBytes } from "../../core/base/units.ts";
import type { EvsContext } from "../cli/context.ts";
import { formatTable } from "../terminal/table.ts";
import { shortAge } from "./numbers.ts";
import { Source } from "./source.ts";
import { lagOf } from "../check/measures.ts";
import { shownSubscriptions, type Sort, type TopReading } from "./state.ts";
import { perSecond } from "./numbers.ts";

/** Between the two readings of which rates are made, ms. */
const APART_MS = 1000;
/** All that the daemon tells at once. */
const LIMIT = 10_000;
/** Warnings that a terminal shows. */
const WARNINGS = 5;

/** What the flags say. */
export interface ReportOptions {
  /** Undefined: once. */
  everyMs: number | undefined;
  once: boolean;
  sort: Sort;
  filter: string;
}

/** Prints a reading, or one each time. */
export async function printReadings(
  context: EvsContext,
  { everyMs, once, sort, filter }: ReportOptions,
): Promise<void> {
  const source = new Source(await context.client(), context.clock);
  const asked = { sort, filter, limit: LIMIT };
  await source.read(asked);
  do {
    await new Promise<void>((resolve) => context.clock.setTimer(resolve, everyMs ?? APART_MS));
    const reading = await source.read(asked);
    if (context.forPeople) await printTables(context, { reading, sort, filter });
    else context.printJson(readingJson(reading, { sort, filter }));
  } while (everyMs !== undefined && !once);
}

/** A reading as JSON: what the daemon told, rates, causes and warnings. Pure. */
export function readingJson(
  reading: TopReading,
  { sort, filter }: { sort: Sort; filter: string },
): Record<string, unknown> {
  const { overview, rates, groups, warnings } = reading;
  const { subscriptions: _, ...rest } = overview;
  return {
    ...rest,
    rates: { stored: rates.stored, acknowledged: rates.acknowledged, failed: rates.failed },
    subscriptions: shownSubscriptions({ reading, sort, filter }).map((one) => ({
      ...one,
      lag: lagOf(one),
      rate: rates.of.get(one.name),
    })),
    groups,
    warnings,
  };
}

async function printTables(
  context: EvsContext,
  { reading, sort, filter }: { reading: TopReading; sort: Sort; filter: string },
): Promise<void> {
  const { overview, rates, groups, warnings } = reading;
  const { status, disk, at } = overview;
  await context.printFacts(status, () => ({
    health: [status.health, ...status.problems].join("; "),
    alerts: status.alerts.length === 0 ? undefined : status.alerts.map(({ message }) => message),
    rates: `in ${perSecond(rates.stored)}, out ${perSecond(rates.acknowledged)}, failed ${
      perSecond(rates.failed)
    }`,
    disk: disk && `${formatBytes(disk.free)} free (${Math.floor(100 * disk.free / disk.size)}%)`,
    memory: formatBytes(status.memory.rss),
  }));
  const shown = shownSubscriptions({ reading, sort, filter });
  await printTable(
    context,
    shown.map((one) => ({
      subscription: one.name,
      rate: perSecond(rates.of.get(one.name)),
      lag: lagOf(one),
      oldest: one.oldestPendingAt === undefined ? undefined : shortAge(at - one.oldestPendingAt),
      leased: one.leased,
      for: one.oldestLease && shortAge(at - one.oldestLease.since),
      event: one.oldestLease && `${one.oldestLease.topic} ${one.oldestLease.seq}`,
      attempt: one.oldestLease?.attempt,
      pid: one.oldestLease?.consumer?.pid && String(one.oldestLease.consumer.pid),
      retries: one.scheduled,
      dead: one.dead,
      state: one.paused ? "paused" : "active",
    })),
  );
  await printTable(
    context,
    groups.map((group) => ({
      dead: group.count,
      group: group.id,
      last: shortAge(at - group.lastAt),
      cause: group.reason,
      subscriptions: group.subscriptions.join(", "),
    })),
    "cause",
  );
  await printTable(
    context,
    warnings.slice(0, WARNINGS).map((warning) => ({
      warned: `${shortAge(at - warning.at)} ago`,
      message: warning.text,
    })),
    "message",
  );
}

/** A table after an empty line; nothing without rows. */
async function printTable(
  { stdout, paint }: EvsContext,
  rows: readonly Record<string, unknown>[],
  below = "event",
): Promise<void> {
  if (rows.length === 0) return;
  const drop = ["attempt", "pid", "for", "state"];
  const { columns } = stdout;
  await stdout.write(`\n${formatTable(rows, { paint, columns, below, drop })}`);
}
