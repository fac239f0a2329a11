/**
 * The rows of the screen of `evs top`: as many as the terminal has, none wider than it. Pure: the
 * same state gives the same rows.
 */
import { formatBytes, formatDuration } from "../../core/base/units.ts";
import {
  type Cell,
  type CellRow,
  cellsOf,
  columnsOf,
  cut,
  fit,
  type Style,
} from "../terminal/cells.ts";
import type { ClusterInfo } from "../../core/protocol/node.ts";
import { formatLocalTime } from "../terminal/local_time.ts";
import { groupRows } from "./group_rows.ts";
import { perSecond, shortAge, shortCount, withNoun } from "./numbers.ts";
import { overlayRows } from "./overlay_rows.ts";
import { shownSubscriptions, type TopReading, type TopState } from "./state.ts";
import { namesWithTrend, subscriptionRows } from "./subscription_rows.ts";

/** Rows above the lists, and the last one. */
const HEAD = 4;
const FOOT = 1;
/** The list of subscriptions is never shorter than this, with its header. */
const SHORTEST_LIST = 4;

/** The rows of the screen. */
export function screen(state: TopState): CellRow[] {
  const { columns, rows } = state.size;
  if (rows < 1) return [];
  const lists = [...headRows(state), ...listRows(state)];
  const body = Array.from({ length: rows - FOOT }, (_, i) => lists[i] ?? []);
  // An overlay covers the rows at the bottom.
  const over = overlayRows(state, { width: columns, height: body.length }).slice(0, body.length);
  body.splice(body.length - over.length, over.length, ...over);
  return [...body, footRow(state)].map((row) => cut(row, columns));
}

/** How many subscriptions fit on the screen: a page. */
export function pageLength(state: TopState): number {
  return heightsOf(state).subscriptions - 1;
}

/** The subscriptions of which the last hour is shown. */
export function trendsShown(state: TopState): string[] {
  return namesWithTrend(state, heightsOf(state).subscriptions);
}

interface Heights {
  subscriptions: number;
  groups: number;
  warnings: number;
}

/** How the rows are divided among the lists, with their headers. */
function heightsOf({ size, reading }: TopState): Heights {
  const room = Math.max(0, size.rows - HEAD - FOOT);
  const wanted = (count: number, most: number) => count === 0 ? 0 : 1 + Math.min(count, most);
  const third = Math.floor(room / 3);
  const groups = wanted(reading?.groups.length ?? 0, Math.max(2, third - 1));
  const warnings = wanted(reading?.warnings.length ?? 0, Math.max(2, Math.floor(room / 6)));
  const spare = Math.max(0, room - SHORTEST_LIST);
  const kept = { groups: Math.min(groups, spare), warnings: 0 };
  kept.warnings = Math.min(warnings, Math.max(0, spare - kept.groups));
  return { ...kept, subscriptions: Math.max(2, room - kept.groups - kept.warnings) };
}

function listRows(state: TopState): CellRow[] {
  const { size: { columns }, reading } = state;
  if (reading === undefined) return [];
  const heights = heightsOf(state);
  const subscriptions = subscriptionRows(state, { width: columns, height: heights.subscriptions });
  const filled = Array.from({ length: heights.subscriptions }, (_, i) => subscriptions[i] ?? []);
  return [
    ...filled,
    ...groupRows(state, { width: columns, height: heights.groups }),
    ...warningRows(reading, { width: columns, height: heights.warnings }),
  ];
}

/** Texts in their styles, one after the other. */
function line(...parts: (readonly [text: string, style?: Style])[]): Cell[] {
  return parts.flatMap(([text, style]) => cellsOf(text, style));
}

function headRows(state: TopState): CellRow[] {
  const { reading, size: { columns } } = state;
  if (reading === undefined) return [];
  const { overview: { status, disk }, rates } = reading;
  const counts = [
    line([`in ${perSecond(rates.stored)}`]),
    line([`out ${perSecond(rates.acknowledged)}`]),
    line([`failed ${perSecond(rates.failed)}`]),
    line([
      withNoun(status.deadLetters, "dead letter"),
      status.deadLetters === 0 ? "plain" : "red",
    ]),
    line([withNoun(status.scheduled, "retry", "retries")]),
    line([withNoun(status.events, "event")]),
  ];
  const { cluster } = status;
  const free = disk && Math.floor(100 * disk.free / disk.size);
  const machine = [
    disk
      ? line([`disk ${formatBytes(disk.free)} free (${free}%)`, free! < 10 ? "red" : "plain"])
      : [],
    cluster && cluster.nodes.length > 1 ? nodesLine(cluster) : [],
    line([`memory ${formatBytes(status.memory.rss)}`]),
    line([withNoun(status.connections, "connection")]),
    line([withNoun(status.topics, "topic")]),
    line([formatBytes(status.bytes)]),
    line([withNoun(status.tails, "tail")]),
  ];
  return [
    titleRow(state, reading),
    asManyAsFit(counts, columns),
    asManyAsFit(machine, columns),
    troubleRow(state),
  ];
}

/** How many nodes share the database, and how many of them are not there. */
function nodesLine({ nodes }: ClusterInfo): CellRow {
  const alive = nodes.filter((one) => one.alive).length;
  return alive === nodes.length
    ? line([withNoun(alive, "node")])
    : line([`${alive} of ${nodes.length} nodes`, "red"]);
}

/** Parts side by side, the most important first; those that do not fit are left out. */
function asManyAsFit(parts: readonly CellRow[], columns: number): CellRow {
  let row: CellRow = [];
  for (const part of parts.filter(({ length }) => length > 0)) {
    const longer = row.length === 0 ? part : [...row, ...line(["   "]), ...part];
    if (columnsOf(longer) <= columns) row = longer;
  }
  return row;
}

/** The daemon and its health on the left, when and how it is shown on the right. */
function titleRow(
  { size: { columns }, everyMs, sort }: TopState,
  { overview }: TopReading,
): CellRow {
  const { status, at, total, subscriptions } = overview;
  const health: Style = status.health === "ok" ? "green" : "red";
  const up = shortAge(status.uptimeMs);
  const left = line(
    ["evs top", "bold"],
    ["  "],
    [status.health, health],
    [`  ${status.version}  pid ${status.pid}  up ${up}`],
  );
  const some = subscriptions.length < total ? `${subscriptions.length} of ` : "";
  const right = line([
    `${some}${shortCount(total)} by ${sort}  every ${formatDuration(everyMs)}  ${timeOf(at)}`,
    "dim",
  ]);
  const space = columns - columnsOf(left) - columnsOf(right);
  return space < 2 ? left : [...fit(left, { width: columns - columnsOf(right) }), ...right];
}

/** The time of day, local. */
function timeOf(at: number): string {
  return formatLocalTime(at).slice(11, 19);
}

/** What is wrong, in one row. */
function troubleRow({ reading, lost, filter }: TopState): CellRow {
  if (lost !== undefined) {
    return line([`no daemon since ${timeOf(lost.since)}: ${lost.message}`, "red"]);
  }
  const { problems, alerts, refused = [] } = reading!.overview.status;
  const parts = [
    ...problems,
    ...alerts.map(({ message }) => message),
    ...refused.map(({ code, count }) => `${shortCount(count)} refused in 5m: ${code}`),
  ];
  const more = parts.length > 1 ? ` (and ${parts.length - 1} more: evs status)` : "";
  if (parts.length > 0) return line([`${parts[0]}${more}`, problems.length > 0 ? "red" : "yellow"]);
  return filter === "" ? [] : line([`filter: ${filter}`, "cyan"]);
}

function warningRows(
  { warnings }: TopReading,
  { width, height }: { width: number; height: number },
): CellRow[] {
  if (height === 0) return [];
  const head = line(["WARNINGS", "bold"], ["  evs daemon logs", "dim"]);
  const rows = warnings.slice(0, height - 1).map(({ at, level, text }) =>
    line([`${timeOf(at)} `, "dim"], [text, level === "warning" ? "yellow" : "red"])
  );
  return [head, ...rows].map((row) => cut(row, width));
}

const KEYS = "q quit  ? help  Tab list  s sort  / filter  p pause  r resume  t retry  e event";

/** What can be typed, what is being typed, or what the last act did. */
function footRow({ overlay, notice, reading, filter }: TopState): CellRow {
  if (overlay?.kind === "filter") {
    return line(["filter: ", "bold"], [overlay.text], [" ", "chosen"]);
  }
  if (overlay?.kind === "confirm") return line(["y yes   n no", "bold"]);
  if (overlay?.kind === "text") return line(["Up Down PageUp PageDown scroll   q close", "bold"]);
  if (overlay?.kind === "help") return line(["any key closes this", "bold"]);
  if (notice !== undefined) return line([notice.text, notice.failed ? "red" : "green"]);
  const none = reading !== undefined && filter !== "" &&
    shownSubscriptions({ reading, filter, sort: "name" }).length === 0;
  return none ? line(["nothing matches the filter: / changes it", "yellow"]) : line([KEYS, "dim"]);
}
