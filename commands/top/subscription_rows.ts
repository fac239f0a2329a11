/** The list of subscriptions. Pure. */
import type { SubscriptionOverview } from "../../core/protocol/overview.ts";
import { lagOf } from "../check/measures.ts";
import { type Cell, type CellRow, cellsOf, fit, type Style, styled } from "../terminal/cells.ts";
import { formatLocalTime } from "../terminal/local_time.ts";
import { perSecond, shortAge, shortCount } from "./numbers.ts";
import { shownSubscriptions, type TopReading, type TopState } from "./state.ts";
import { sparkline } from "../terminal/sparkline.ts";
import { TREND_PARTS } from "./trends.ts";

interface Column {
  title: string;
  width: number;
  right?: boolean;
  cells(one: SubscriptionOverview, reading: TopReading): Cell[];
}

/** From this width on, an explanation has room in what is in flight. */
const WIDE = 40;

/** From this width on, there is room for the last hour. */
const TREND_WIDTH = 120;

/** The names of the subscriptions on a page of this height of which the last hour is shown. */
export function namesWithTrend(state: TopState, height: number): string[] {
  if (state.size.columns < TREND_WIDTH) return [];
  const { first, page } = pageOf(state, height);
  return shownSubscriptions(state).slice(first, first + page).map(({ name }) => name);
}

/** The page with the chosen one. */
function pageOf({ chosen }: TopState, height: number): { first: number; page: number } {
  const page = Math.max(1, height - 1);
  return { first: Math.floor(chosen.subscriptions.index / page) * page, page };
}

/** A header, and the page with the chosen one. */
export function subscriptionRows(
  state: TopState,
  { width, height }: { width: number; height: number },
): CellRow[] {
  const { reading, focus, chosen } = state;
  if (reading === undefined || height < 1) return [];
  const all = shownSubscriptions(state);
  const columns = columnsFor(all, { width, trends: reading.trends.size > 0 });
  const head = columns.flatMap(({ title, ...place }) => [
    ...fit(cellsOf(title, "bold"), place),
    ...cellsOf(" "),
  ]);
  const { first, page } = pageOf(state, height);
  const rows = all.slice(first, first + page).map((one, i) => {
    const cells = columns.flatMap((column) => [
      ...fit(column.cells(one, reading), column),
      ...cellsOf(" "),
    ]);
    const isChosen = focus === "subscriptions" && first + i === chosen.subscriptions.index;
    return isChosen ? styled(fit(cells, { width }), "chosen") : cells;
  });
  if (all.length === 0) rows.push(cellsOf(emptyWords(state), "dim"));
  return [head, ...rows];
}

function emptyWords({ filter }: TopState): string {
  return filter === "" ? "no subscriptions" : `no subscription matches ${filter}`;
}

/** The columns and their widths: what is left goes to the name and to what is in flight. */
function columnsFor(
  all: readonly SubscriptionOverview[],
  { width, trends }: { width: number; trends: boolean },
): Column[] {
  const hour = trends && width >= TREND_WIDTH ? [HOUR] : [];
  const [name, ...numbers] = [...COLUMNS, ...hour] as [Column, ...Column[]];
  const flight = FLIGHT;
  const fixed = numbers.reduce((sum, column) => sum + column.width + 1, 0);
  const left = Math.max(0, width - fixed - 2);
  const longest = all.reduce((most, one) => Math.max(most, one.name.length), name.title.length);
  const nameWidth = Math.min(longest, Math.max(12, Math.floor(left * 0.43)), left);
  const flightWidth = Math.max(0, left - nameWidth);
  const wide = flightWidth >= WIDE;
  const [rate, lag, oldest, ...last] = numbers;
  return [
    { ...name, width: nameWidth },
    rate!,
    lag!,
    oldest!,
    { ...flight, width: flightWidth, cells: (one, reading) => flightCells(one, { reading, wide }) },
    ...last,
  ];
}

const FLIGHT: Column = { title: "IN FLIGHT", width: 0, cells: () => [] };

/** The last one: the bars are of two columns in some terminals, and then reach beyond the edge. */
const HOUR: Column = {
  title: "LAG IN THE LAST HOUR",
  width: TREND_PARTS,
  cells: ({ name }, { trends }) => cellsOf(sparkline(trends.get(name) ?? []), "cyan"),
};

const COLUMNS: readonly Column[] = [
  {
    title: "SUBSCRIPTION",
    width: 0,
    cells: ({ name, paused }) => cellsOf(name, paused ? "yellow" : "plain"),
  },
  {
    title: "RATE",
    width: 7,
    right: true,
    cells: ({ name }, { rates }) => cellsOf(perSecond(rates.of.get(name))),
  },
  { title: "LAG", width: 6, right: true, cells: (one) => cellsOf(shortCount(lagOf(one))) },
  {
    title: "OLDEST",
    width: 6,
    right: true,
    cells: ({ oldestPendingAt }, { overview }) =>
      cellsOf(oldestPendingAt === undefined ? "-" : shortAge(overview.at - oldestPendingAt)),
  },
  { title: "RETRY", width: 5, right: true, cells: retryCells },
  {
    title: "DEAD",
    width: 6,
    right: true,
    cells: ({ dead }) => cellsOf(shortCount(dead), dead > 0 ? "red" : "plain"),
  },
];

/** When the next retry is due. */
function retryCells(
  { nextRetry, scheduled }: SubscriptionOverview,
  { overview }: TopReading,
): Cell[] {
  if (scheduled === 0) return cellsOf("-");
  if (nextRetry === undefined || nextRetry.dueAt <= overview.at) return cellsOf("now", "yellow");
  return cellsOf(shortAge(nextRetry.dueAt - overview.at));
}

/** The lease that is the oldest: for how long, attempt, pid, event; or why nothing is delivered. */
function flightCells(
  one: SubscriptionOverview,
  { reading: { overview }, wide }: { reading: TopReading; wide: boolean },
): Cell[] {
  const { oldestLease, leased } = one;
  if (oldestLease === undefined) return one.paused ? pausedCells(one) : ownerCells(one);
  const { topic, seq, attempt, since, expiresAt, consumer } = oldestLease;
  const late: Style = expiresAt !== undefined && expiresAt <= overview.at ? "red" : "plain";
  const pid = consumer?.pid === undefined ? [] : [wide ? `pid ${consumer.pid}` : consumer.pid];
  const more = leased > 1 ? [`+${shortCount(leased - 1)}`] : [];
  const rest = [
    ...pid,
    topic,
    seq,
    ...more,
    ...(wide && consumer?.command ? [consumer.command] : []),
  ];
  return [
    ...(one.paused ? cellsOf("paused ", "yellow") : []),
    ...cellsOf(shortAge(overview.at - since), late),
    ...cellsOf(` #${attempt}`, attempt > 1 ? "yellow" : "plain"),
    ...cellsOf(` ${rest.join(" ")}`),
  ];
}

/** Nothing is in flight here: which nodes have it. */
function ownerCells({ owners = [], pending, leased }: SubscriptionOverview): Cell[] {
  const named = owners.flatMap(({ node, parts }) => node === undefined ? [] : [`${node} ${parts}`]);
  if (named.length > 0) return cellsOf(`on ${named.join(", ")}`);
  return owners.length > 0 && pending + leased > 0 ? cellsOf("on no node", "yellow") : cellsOf("-");
}

function pausedCells({ pauseReason, pausedBy, pausedUntil }: SubscriptionOverview): Cell[] {
  const by = pausedBy === undefined || pausedBy === "person" ? "" : ` by a ${pausedBy}`;
  const until = pausedUntil === undefined
    ? ""
    : ` until ${formatLocalTime(pausedUntil).slice(11, 16)}`;
  const why = pauseReason === undefined ? "" : `: ${pauseReason}`;
  return cellsOf(`paused${by}${until}${why}`, "yellow");
}
