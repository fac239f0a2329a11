/** What `evs top` shows, and what it is about to do. Pure: nothing here reads or writes. */
import type { DeadLetterGroup } from "../../core/protocol/dead_letter_groups.ts";
import type { OverviewReply, SubscriptionOverview } from "../../core/protocol/overview.ts";
import { lagOf } from "../check/measures.ts";
import type { Size } from "../terminal/screen_diff.ts";
import type { Action } from "./actions.ts";
import type { Rates } from "./rates.ts";
import type { Trend } from "./trends.ts";

/** The orders of the subscriptions, in the order in which a key goes through them. */
export const SORTS = [
  "lag",
  "age",
  "rate",
  "leased",
  "retries",
  "dead",
  "failed",
  "name",
] as const;

/** See {@link SORTS}. */
export type Sort = typeof SORTS[number];

/** A warning or an error of the daemon's log. */
export interface LogWarning {
  /** Unix ms. */
  at: number;
  level: "warning" | "error" | "fatal";
  text: string;
}

/** All that is known of the daemon at one time. */
export interface TopReading {
  overview: OverviewReply;
  rates: Rates;
  /** How far behind subscriptions were, of those for which there is room. */
  trends: ReadonlyMap<string, Trend>;
  /** The most frequent cause first. */
  groups: readonly DeadLetterGroup[];
  /** The newest first. */
  warnings: readonly LogWarning[];
}

/** The two lists in which something can be chosen. */
export type ListName = "subscriptions" | "groups";

/** A chosen row: it stays chosen where it moves, and its place does if it is gone. */
export interface Choice {
  index: number;
  /** Its name; undefined as long as nobody chose: the first row, whichever that is. */
  name?: string | undefined;
}

/** What is in front of the lists. */
export type Overlay =
  | { kind: "help" }
  | { kind: "filter"; text: string; before: string }
  | { kind: "confirm"; action: Action }
  /** Text to read, such as an event; `command` prints the same. */
  | { kind: "text"; title: string; command: string; lines: readonly string[]; top: number };

/** The state of the screen. */
export interface TopState {
  size: Size;
  everyMs: number;
  /** Flags that every command line needs to reach the same daemon. */
  place: readonly string[];
  reading?: TopReading | undefined;
  /** Why there is no newer reading, since when the daemon does not answer, Unix ms. */
  lost?: { since: number; message: string } | undefined;
  sort: Sort;
  filter: string;
  focus: ListName;
  chosen: Readonly<Record<ListName, Choice>>;
  overlay?: Overlay | undefined;
  /** What the last act did, or why it could not. */
  notice?: { text: string; failed: boolean } | undefined;
}

/** The state before anything is known. */
export function initialState(
  options: Pick<TopState, "size" | "everyMs" | "place" | "sort" | "filter">,
): TopState {
  return {
    ...options,
    focus: "subscriptions",
    chosen: { subscriptions: { index: 0 }, groups: { index: 0 } },
  };
}

/** The state with a new reading: what was chosen stays chosen. */
export function received(state: TopState, reading: TopReading): TopState {
  const next = { ...state, reading, lost: undefined };
  return keepChosen(next);
}

/** The state without an answer: the last reading stays on the screen. */
export function lostTouch(state: TopState, lost: { since: number; message: string }): TopState {
  return { ...state, lost: { since: state.lost?.since ?? lost.since, message: lost.message } };
}

/** Follows what is chosen to its new place. */
export function keepChosen(state: TopState): TopState {
  const follow = (list: ListName): Choice => {
    const names = namesIn(state, list);
    const { index, name } = state.chosen[list];
    if (name === undefined) return { index: 0 };
    const at = names.indexOf(name);
    if (at >= 0) return { index: at, name };
    const near = Math.max(0, Math.min(index, names.length - 1));
    return { index: near, name: names[near] };
  };
  const chosen = { subscriptions: follow("subscriptions"), groups: follow("groups") };
  const isEmpty = state.focus === "groups" && (state.reading?.groups.length ?? 0) === 0;
  return { ...state, chosen, focus: isEmpty ? "subscriptions" : state.focus };
}

/** Chooses a row by its place, as far as there are rows. */
export function choose(state: TopState, index: number): TopState {
  const names = namesIn(state, state.focus);
  const at = Math.max(0, Math.min(index, names.length - 1));
  return { ...state, chosen: { ...state.chosen, [state.focus]: { index: at, name: names[at] } } };
}

/** The names in a list, in its order. */
function namesIn(state: TopState, list: ListName): string[] {
  return list === "subscriptions"
    ? shownSubscriptions(state).map(({ name }) => name)
    : (state.reading?.groups ?? []).map(({ reason }) => reason);
}

/** The subscriptions that the filter leaves, in the order that was asked for. */
export function shownSubscriptions(
  { reading, sort, filter }: Pick<TopState, "reading" | "sort" | "filter">,
): readonly SubscriptionOverview[] {
  if (reading === undefined) return [];
  const wanted = filter.toLowerCase();
  const key = KEYS[sort];
  return reading.overview.subscriptions
    .filter(({ name, topic }) =>
      name.toLowerCase().includes(wanted) || topic.toLowerCase().includes(wanted)
    )
    .map((one) => ({ one, value: key?.(one, reading) ?? 0 }))
    .sort((a, b) =>
      a.value === b.value ? (a.one.name < b.one.name ? -1 : 1) : b.value < a.value ? -1 : 1
    )
    .map(({ one }) => one);
}

const KEYS: Record<Sort, ((one: SubscriptionOverview, reading: TopReading) => number) | undefined> =
  {
    lag: lagOf,
    age: ({ oldestPendingAt = Infinity }) => -oldestPendingAt,
    rate: ({ name }, { rates }) => rates.of.get(name) ?? 0,
    leased: ({ leased }) => leased,
    retries: ({ scheduled }) => scheduled,
    dead: ({ dead }) => dead,
    failed: ({ settled }) => settled.failed,
    name: undefined,
  };

/** The chosen subscription; undefined if there is none. */
export function chosenSubscription(state: TopState): SubscriptionOverview | undefined {
  return shownSubscriptions(state)[state.chosen.subscriptions.index];
}

/** The chosen group of dead letters; undefined if there is none. */
export function chosenGroup({ reading, chosen }: TopState): DeadLetterGroup | undefined {
  return reading?.groups[chosen.groups.index];
}
