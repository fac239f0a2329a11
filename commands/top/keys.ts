/** What a key does to the screen, and what it asks for. Pure. */
import type { Key } from "../terminal/key_decoder.ts";
import type { Action } from "./actions.ts";
import { textRows, topWithin } from "./overlay_rows.ts";
import { pageLength } from "./screen.ts";
import {
  choose,
  chosenGroup,
  chosenSubscription,
  keepChosen,
  type Overlay,
  SORTS,
  type TopState,
} from "./state.ts";

/** What is to be done outside. */
export type KeyEffect =
  | { kind: "quit" }
  /** Ask the daemon now. */
  | { kind: "read" }
  /** Write all rows again. */
  | { kind: "redraw" }
  | { kind: "act"; action: Action };

/** The state after a key, and what is to be done. */
export interface Pressed {
  state: TopState;
  effect?: KeyEffect;
}

/** The intervals between readings, ms. */
const INTERVALS = [500, 1000, 2000, 5000, 10_000, 30_000, 60_000];
/** Nobody's name is longer, and a filter is shown in one row. */
const LONGEST_FILTER = 128;

/** Handles a key. */
export function press(state: TopState, key: Key): Pressed {
  const { overlay } = state;
  if (key === "Ctrl-L") return { state, effect: { kind: "redraw" } };
  switch (overlay?.kind) {
    case "help":
      return { state: { ...state, overlay: undefined } };
    case "filter":
      return pressInFilter(state, { key, overlay });
    case "confirm":
      return pressInQuestion(state, { key, action: overlay.action });
    case "text":
      return pressInText(state, { key, overlay });
    default:
      return pressInLists({ ...state, notice: undefined }, key);
  }
}

/** Shows a text, for a person to read. */
export function withText(
  state: TopState,
  { title, command, lines }: { title: string; command: string; lines: readonly string[] },
): TopState {
  return { ...state, overlay: { kind: "text", title, command, lines, top: 0 } };
}

function pressInFilter(
  state: TopState,
  { key, overlay }: { key: Key; overlay: Overlay & { kind: "filter" } },
): Pressed {
  const { text, before } = overlay;
  const change = (next: string): Pressed => {
    const filter = [...next].slice(0, LONGEST_FILTER).join("");
    return {
      state: keepChosen({ ...state, filter, overlay: { ...overlay, text: filter } }),
      effect: { kind: "read" },
    };
  };
  const close = (filter: string): Pressed => ({
    state: keepChosen({ ...state, filter, overlay: undefined }),
    effect: { kind: "read" },
  });
  if (key === "Enter") return close(text);
  if (key === "Escape") return close(text === "" ? before : "");
  if (key === "Backspace") return change([...text].slice(0, -1).join(""));
  if (key === "Ctrl-U") return change("");
  if (key === "Ctrl-W") return change(text.replace(/\S*\s*$/u, ""));
  if (key.startsWith("Paste ")) return change(text + key.slice("Paste ".length).split(/\r|\n/)[0]);
  return isCharacter(key) ? change(text + key) : { state };
}

function isCharacter(key: Key): boolean {
  return [...key].length === 1;
}

/** Only y does it: Enter is what people press without reading. */
function pressInQuestion(
  state: TopState,
  { key, action }: { key: Key; action: Action },
): Pressed {
  const closed = { ...state, overlay: undefined };
  if (key === "y" || key === "Y") return { state: closed, effect: { kind: "act", action } };
  return ["n", "N", "q", "Escape"].includes(key) ? { state: closed } : { state };
}

function pressInText(
  state: TopState,
  { key, overlay }: { key: Key; overlay: Overlay & { kind: "text" } },
): Pressed {
  if (["q", "Escape", "Enter"].includes(key)) return { state: { ...state, overlay: undefined } };
  const { size: { columns, rows } } = state;
  const page = Math.max(1, rows - 3);
  const wanted = moved(overlay.top, { key, page, last: Infinity });
  if (wanted === undefined) return { state };
  const length = textRows(overlay.lines, columns).length;
  const top = topWithin(Math.min(wanted, length), { rows: length, height: page });
  return { state: { ...state, overlay: { ...overlay, top } } };
}

/** Where a key moves to; undefined if it does not move. */
function moved(
  at: number,
  { key, page, last }: { key: Key; page: number; last: number },
): number | undefined {
  switch (key) {
    case "Up":
    case "k":
      return at - 1;
    case "Down":
    case "j":
      return at + 1;
    case "PageUp":
      return at - page;
    case "PageDown":
      return at + page;
    case "Home":
    case "g":
      return 0;
    case "End":
    case "G":
      return last;
    default:
      return undefined;
  }
}

function pressInLists(state: TopState, key: Key): Pressed {
  const { focus, chosen } = state;
  const to = moved(chosen[focus].index, { key, page: pageLength(state), last: Infinity });
  if (to !== undefined) return { state: choose(state, to) };
  switch (key) {
    case "q":
    case "Q":
      return { state, effect: { kind: "quit" } };
    case "?":
    case "h":
      return { state: { ...state, overlay: { kind: "help" } } };
    case " ":
      return { state, effect: { kind: "read" } };
    case "Tab":
      return otherList(state);
    case "s":
      return sortedBy(state, 1);
    case "S":
      return sortedBy(state, -1);
    case "/":
      return {
        state: { ...state, overlay: { kind: "filter", text: state.filter, before: state.filter } },
      };
    case "Escape":
      return state.filter === ""
        ? { state }
        : { state: keepChosen({ ...state, filter: "" }), effect: { kind: "read" } };
    case "+":
    case "-":
      return {
        state: { ...state, everyMs: interval(state.everyMs, key) },
        effect: { kind: "read" },
      };
    default:
      return asked(state, key);
  }
}

function otherList(state: TopState): Pressed {
  if (state.focus === "groups") return { state: { ...state, focus: "subscriptions" } };
  if ((state.reading?.groups.length ?? 0) === 0) {
    const { deadLetters = 0 } = state.reading?.overview.status ?? {};
    return said(
      state,
      deadLetters === 0
        ? "there are no dead letters"
        : "no cause is open; the others: evs dlq groups --state all",
    );
  }
  return { state: { ...state, focus: "groups" } };
}

function sortedBy(state: TopState, step: number): Pressed {
  const at = SORTS.indexOf(state.sort) + step;
  const sort = SORTS[(at + SORTS.length) % SORTS.length]!;
  return { state: keepChosen({ ...state, sort }), effect: { kind: "read" } };
}

/** + reads more often, - less often. */
function interval(everyMs: number, key: "+" | "-"): number {
  const next = key === "+"
    ? INTERVALS.findLast((ms) => ms < everyMs)
    : INTERVALS.find((ms) => ms > everyMs);
  return next ?? everyMs;
}

/** The keys that ask before something is done. */
function asked(state: TopState, key: Key): Pressed {
  const ask = (action: Action): Pressed => ({
    state: { ...state, overlay: { kind: "confirm", action } },
  });
  switch (key) {
    case "p":
    case "r":
      return askSubscription(state, { key, ask });
    case "t": {
      const group = state.focus === "groups" ? chosenGroup(state) : undefined;
      if (group === undefined) return said(state, "Tab chooses a cause of dead letters first");
      if (/^\**$/.test(group.reason)) {
        return said(state, "these have no cause in common: evs dlq list, evs dlq retry");
      }
      return ask({ kind: "retry", group: group.id, count: group.count });
    }
    case "e":
    case "Enter":
      return askEvent(state, ask);
    default:
      return { state };
  }
}

type Ask = (action: Action) => Pressed;

function askSubscription(
  state: TopState,
  { key, ask }: { key: "p" | "r"; ask: Ask },
): Pressed {
  const one = state.focus === "subscriptions" ? chosenSubscription(state) : undefined;
  if (one === undefined) return said(state, "Tab chooses a subscription first");
  const { name, paused } = one;
  if (key === "p") return ask({ kind: "pause", name });
  return paused ? ask({ kind: "resume", name }) : said(state, `${name} is not paused`);
}

function askEvent(state: TopState, ask: Ask): Pressed {
  if (state.focus === "groups") {
    const group = chosenGroup(state);
    if (group?.example === undefined) return said(state, "there are no dead letters");
    const { subscription, id, topic } = group.example;
    return ask({ kind: "dead-letter", name: `${subscription}:${id}`, topic });
  }
  const one = chosenSubscription(state);
  if (one === undefined) return said(state, "there is no subscription");
  const event = one.oldestLease ?? one.nextRetry;
  if (event === undefined) return said(state, `${one.name} has nothing in flight`);
  return ask({ kind: "event", topic: event.topic, seq: event.seq });
}

function said(state: TopState, text: string): Pressed {
  return { state: { ...state, notice: { text, failed: true } } };
}
