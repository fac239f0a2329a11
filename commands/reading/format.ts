/**
 * `--format`: what to print of an event, as a text with printf-like tokens. Nothing is added to it,
 * not even a line feed.
 */
import { InvalidArgumentError } from "../../core/base/errors.ts";

/** A member of an event, by the letter of its token. */
const MEMBERS = {
  t: "topic",
  s: "seq",
  i: "id",
  k: "key",
  y: "type",
  T: "timestamp",
  p: "payload",
} as const;
const ESCAPES: Readonly<Record<string, string>> = { n: "\n", t: "\t", "\\": "\\" };
/** Each token, and what it stands for. */
const TOKENS: readonly (readonly [token: string, meaning: string])[] = [
  ["%t", "topic"],
  ["%s", "seq"],
  ["%i", "id"],
  ["%k", "key"],
  ["%y", "type"],
  ["%T", "time in UTC"],
  ["%p", "payload"],
  ["%{/pointer}", "a member of the payload"],
  ["%%", "a percent sign"],
  ["\\t", "a tab"],
  ["\\n", "a line feed"],
  ["\\\\", "a backslash"],
];

/** The tokens, for the help of the commands that have `--format`. */
export const FORMAT_HELP = `FORMAT is text with tokens: ${
  TOKENS.map((token) => token.join(" ")).join(", ")
}. Strings are printed as their text, other values as JSON, and missing values as nothing. Each event prints what FORMAT says and no more: end it with \\n for lines. On a terminal, control characters in values are escaped.`;

type MemberName = typeof MEMBERS[keyof typeof MEMBERS];

/** A piece of a format: text as it is, a member of the event, or one of its payload. */
export type FormatPart =
  | { kind: "text"; text: string }
  | { kind: "member"; name: MemberName }
  | { kind: "pointer"; pointer: string };

/** Reads a format. Throws `InvalidArgumentError`, which names a wrong token and its place. */
export function parseFormat(format: string): FormatPart[] {
  const parts: FormatPart[] = [];
  let text = "";
  const flush = () => {
    if (text !== "") parts.push({ kind: "text", text });
    text = "";
  };
  for (let at = 0; at < format.length;) {
    const char = format[at]!;
    const next = format[at + 1];
    if (char === "\\") {
      const escape = next === undefined ? undefined : ESCAPES[next];
      if (escape === undefined) throw wrongToken(format, at);
      text += escape;
      at += 2;
    } else if (char !== "%") {
      text += char;
      at++;
    } else if (next === "%") {
      text += "%";
      at += 2;
    } else if (next === "{") {
      flush();
      const pointer = pointerAt(format, at);
      parts.push({ kind: "pointer", pointer });
      at += pointer.length + "%{}".length;
    } else {
      if (next === undefined || !isMember(next)) throw wrongToken(format, at);
      flush();
      parts.push({ kind: "member", name: MEMBERS[next] });
      at += 2;
    }
  }
  flush();
  return parts;
}

function isMember(letter: string): letter is keyof typeof MEMBERS {
  return Object.hasOwn(MEMBERS, letter);
}

/** The pointer of the token `%{…}` that begins at `at`. */
function pointerAt(format: string, at: number): string {
  const end = format.indexOf("}", at);
  const place = `at character ${characters(format, at)}`;
  if (end < 0) throw new InvalidArgumentError(`%{ ${place} has no }`);
  const pointer = format.slice(at + 2, end);
  if (pointer !== "" && !pointer.startsWith("/")) {
    throw new InvalidArgumentError(
      `%{${pointer}} ${place} is no JSON pointer: it begins with /, as in %{/${pointer}}`,
    );
  }
  const escape = /~(?![01])/.exec(pointer);
  if (escape !== null) {
    throw new InvalidArgumentError(
      `%{${pointer}} ${place} is no JSON pointer: ~ is written ~0, and / within a name ~1`,
    );
  }
  return pointer;
}

function wrongToken(format: string, at: number): InvalidArgumentError {
  const token = [...format.slice(at, at + 3)].slice(0, 2).join("");
  const place = `at character ${characters(format, at)}`;
  return new InvalidArgumentError(
    token.length === 1
      ? `${token} ${place} is half a token; for the character itself: ${token}${token}`
      : `${token} ${place} is no token; there are ${TOKENS.map(([one]) => one).join(" ")}`,
  );
}

/** The number of the character at an index, from 1. */
function characters(text: string, index: number): number {
  return [...text.slice(0, index)].length + 1;
}
