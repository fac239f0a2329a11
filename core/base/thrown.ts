/**
 * Describes what was thrown. JavaScript lets anything be thrown: an object without a prototype, an
 * error whose getters throw, a revoked proxy. Nothing here throws or grows without bound, whatever
 * it is given, so a failed attempt can always be recorded.
 */
import { LONGEST_OUTPUT, LONGEST_TEXT, truncate } from "./truncate.ts";

/** Shown for a value that cannot even be inspected. */
export const UNREADABLE = "something was thrown that cannot be read";
/** Stands in for a part that cannot be read. */
const HIDDEN = '"(cannot be read)"';
/** Limits on how deep and how wide an object is shown, and on each text inside it. */
const DEPTH = 4;
const MEMBERS = 20;
const TEXT = 500;

/** `value instanceof type`, or false if the check itself throws. */
// deno-lint-ignore no-explicit-any -- any class
export function isA<T>(value: unknown, type: abstract new (...args: any[]) => T): value is T {
  return attempt(() => value instanceof type) ?? false;
}

/**
 * What was thrown, for people: an error's message, or an object's `toString()` or JSON. Never
 * empty.
 */
export function thrownText(thrown: unknown): string {
  return truncate(attempt(() => textOf(thrown)) || UNREADABLE);
}

/** The stack of an error, if it has one that can be read. */
export function thrownStack(thrown: unknown): string | undefined {
  const stack = isA(thrown, Error) ? attempt(() => thrown.stack) : undefined;
  return typeof stack === "string" && stack !== "" ? truncate(stack, LONGEST_OUTPUT) : undefined;
}

/**
 * What was thrown, as an error that is safe to inspect and print. Returned as is where it already
 * is one.
 */
export function asError(thrown: unknown): Error {
  return attempt(() => isPlainError(thrown) ? thrown : undefined) ?? new Error(thrownText(thrown));
}

/** What was thrown, to keep as a `cause`: as is, if it is safe to inspect and print. */
export function asCause(thrown: unknown): unknown {
  const isPrintable = isA(thrown, Error)
    ? attempt(() => isPlainError(thrown))
    : attempt(() => Object.keys(Object(thrown)) !== undefined);
  return isPrintable ? thrown : asError(thrown);
}

function isPlainError(thrown: unknown): thrown is Error {
  return thrown instanceof Error && typeof thrown.message === "string" &&
    typeof thrown.name === "string" && hasPlainStack(thrown);
}

/**
 * Reading the engine's `stack` formats it, which takes longer than refusing a line does: thousands
 * of refused lines would keep the daemon from everything else.
 */
function hasPlainStack(error: Error): boolean {
  const getter = stackGetter(error);
  if (getter !== undefined && getter === engineStack()) return true;
  return ["string", "undefined"].includes(typeof error.stack);
}

let engine: { getter: (() => unknown) | undefined } | undefined;

/**
 * The engine's own getter of `stack`, where it has one. Looked up when it is asked for: a process's
 * first error takes long, and most processes have none.
 */
function engineStack(): (() => unknown) | undefined {
  engine ??= { getter: stackGetter(new Error()) };
  return engine.getter;
}

function stackGetter(error: Error): (() => unknown) | undefined {
  return Object.getOwnPropertyDescriptor(error, "stack")?.get;
}

function textOf(thrown: unknown): string {
  if (thrown === "") return "an empty string was thrown";
  if (typeof thrown === "function") return `the function ${thrown.name || "without a name"}`;
  if (typeof thrown !== "object" || thrown === null) return String(thrown);
  if (isA(thrown, Error)) return textOfError(thrown);
  const own = attempt(() => ownWords(thrown));
  if (typeof own === "string" && own !== "") return own;
  const json = shown(thrown, { depth: DEPTH, left: LONGEST_TEXT });
  if (json === HIDDEN) return UNREADABLE;
  return json === "{}" ? "an object without a message was thrown" : json;
}

function textOfError(error: Error): string {
  const message = attempt<unknown>(() => error.message);
  if (typeof message === "string" && message !== "") return message;
  const name = attempt<unknown>(() => error.name);
  const kind = typeof name === "string" && name !== "" ? name : "an error";
  if (message === undefined || message === "") return kind;
  return `${kind}: ${shown(message, { depth: DEPTH, left: LONGEST_TEXT })}`;
}

/** What an object's own `toString` returns; undefined for the default one. */
function ownWords(value: object): unknown {
  const { toString } = value;
  const isCommon = toString === Object.prototype.toString || toString === Array.prototype.toString;
  return typeof toString !== "function" || isCommon ? undefined : toString.call(value);
}

/** JSON, as far as it can be read, limited to what a person would read. */
function shown(value: unknown, room: { depth: number; left: number }): string {
  const text = attempt(() => shownValue(value, room)) ?? HIDDEN;
  room.left -= text.length;
  return text;
}

function shownValue(value: unknown, room: { depth: number; left: number }): string {
  if (typeof value === "string") return JSON.stringify(truncate(value, TEXT));
  if (typeof value === "bigint") return String(value);
  if (typeof value === "function") return '"(function)"';
  if (isA(value, Error)) return JSON.stringify(truncate(textOfError(value), TEXT));
  if (typeof value !== "object" || value === null) {
    return JSON.stringify(value) ?? JSON.stringify(truncate(String(value), TEXT));
  }
  if (room.depth === 0 || room.left <= 0) return '"…"';
  if (isA(value, Date)) return JSON.stringify(value);
  if (isA(value, Set)) return shownValue([...value], room);
  const entries: Iterable<readonly [unknown, unknown]> = isA(value, Map)
    ? value
    : Object.keys(value).slice(0, MEMBERS + 1)
      .map((name) => [name, member(value, name)]);
  const isList = Array.isArray(value);
  const parts: string[] = [];
  for (const [name, part] of entries) {
    if (parts.length === MEMBERS || room.left <= 0) {
      parts.push(isList ? '"…"' : '"…":"…"');
      break;
    }
    const inside = { depth: room.depth - 1, left: room.left };
    const text = part === HIDDEN ? HIDDEN : shown(part, inside);
    room.left = inside.left;
    parts.push(isList ? text : `${JSON.stringify(truncate(String(name), TEXT))}:${text}`);
  }
  return isList ? `[${parts.join(",")}]` : `{${parts.join(",")}}`;
}

function member(value: object, name: string): unknown {
  const read = attempt(() => ({ part: (value as Record<string, unknown>)[name] }));
  return read ? read.part : HIDDEN;
}

/** "No such file or directory (os error 2): mkdir '/x/y'", as the runtime writes it. */
export const OS_ERROR = /^(.*?) \(os error \d+\)(?:: ([^]*))?$/;

/** Only the words of the operating system, for example "no such file or directory". */
export function osReason(error: unknown): string {
  const message = error instanceof Error ? error.message : String(error);
  const words = OS_ERROR.exec(message)?.[1] ?? message;
  return words.charAt(0).toLowerCase() + words.slice(1);
}

/** The value, or undefined where reading it throws. */
export function attempt<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch {
    // Whatever a getter or proxy throws is no easier to read than the value itself.
    return undefined;
  }
}
