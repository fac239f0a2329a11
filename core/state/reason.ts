/**
 * Groups the reasons of dead letters by cause. What differs from event to event (ids, long numbers,
 * times, addresses, variable parts of paths) is replaced by `*`, so that a thousand reasons with
 * one cause read the same. What distinguishes causes (words, also quoted ones, and short codes:
 * HTTP 503, `[Errno 111]`, E11000) is kept. In a filter, `*` matches any text, so a group's name
 * finds its members.
 */

/** A pattern and its replacement; `*` if omitted. */
type Fold = readonly [shape: RegExp, by?: (found: string, at: number, reason: string) => string];

/**
 * Quotes as used by programs and people; Ruby opens with a backtick and closes with an apostrophe.
 */
const QUOTED = /"[^"]*"|(?<!\w)'[^']*'(?!\w)|`[^`']*['`]/g;
const URL = /\b[a-z][a-z0-9+.-]*:\/\/[^\s,;)\]}>"'`]+/gi;
const MAIL = /\b[\w.+-]+@[\w-]+(?:\.[\w-]+)+/g;
const TIME = /\b\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d(?:[.,]\d+)?)?(?:Z|[+-]\d\d:?\d\d)?)?\b/g;
const PATH = /(?<![\w*])(?:~|\.{1,2}|[A-Za-z]:)?(?:[/\\][\w.@%+=-]+)+[/\\]?/g;
const UUID = /\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b/gi;
const HEX = /\b0x[0-9a-f]+\b/gi;
/** A long run of letters and digits. */
const ID = /\b(?=[0-9a-z_-]*\d)(?=[0-9a-z_-]*[a-z])[0-9a-z_-]{8,}\b/gi;
const NUMBER = /\d+(?:[.,:]\d+)*/g;
// deno-lint-ignore no-control-regex -- a reason that a client gave may have colours
const COLOUR = /\x1b\[[0-9;]*m/g;

/** Order matters: longer shapes come before shorter ones that they contain. */
const FOLDS: readonly Fold[] = [
  [COLOUR],
  [QUOTED, foldQuoted],
  [URL, foldUrl],
  [MAIL],
  [TIME],
  [PATH, foldPath],
  [UUID],
  [HEX],
  [ID, (id) => isName(id) ? id : "*"],
  [NUMBER, foldNumber],
];

/** The same, but also replaces what usually distinguishes causes, except for exit codes. */
const WHOLE_FOLDS: readonly Fold[] = [
  [COLOUR],
  [QUOTED],
  [URL],
  [MAIL],
  [TIME],
  [PATH],
  [UUID],
  [HEX],
  [ID],
  [/(?<!\bexit code \d*)\d+(?:[.,:]\d+)*/g],
];

/** Most characters of a reason that are looked at. */
const LONGEST = 500;

/** Replaces what is specific to one event. */
export function foldReason(reason: string): string {
  return fold(reason, FOLDS);
}

/**
 * Replaces everything that could be specific to one event: for words and codes that turn out to be
 * data.
 */
export function foldReasonWholly(reason: string): string {
  return fold(reason, WHOLE_FOLDS);
}

function fold(reason: string, folds: readonly Fold[]): string {
  let text = reason.slice(0, LONGEST);
  for (const [shape, by = () => "*"] of folds) text = text.replace(shape, by);
  return text.replace(/\*(?:\s*\*)+/g, "*").replace(/\s+/g, " ").trim();
}

/**
 * A quoted word is kept: it may be the missing field or method. Other quoted text is data, except
 * for a path or URL.
 */
function foldQuoted(quoted: string): string {
  const inside = quoted.slice(1, -1);
  if (/^[A-Za-z_$][\w$.:-]{0,39}$/.test(inside) && !/\d/.test(inside)) return quoted;
  return /^(?:[~.]{0,2}[/\\]|[a-z][a-z0-9+.-]*:\/\/)\S*$/i.test(inside) ? quoted : "*";
}

/** Keeps the host, which tells who failed. */
function foldUrl(url: string): string {
  const [, scheme, user, host, rest] = /^([^:]+:\/\/)([^/?#@]*@)?([^/?#]*)(.*)$/.exec(url)!;
  return `${scheme}${user === undefined ? "" : "*"}${host}${rest === "" ? "" : "/*"}`;
}

/** Keeps names in a path, except for names with digits and for very long ones. */
function foldPath(path: string): string {
  return path.replace(/[^/\\]+/g, (name) => {
    if (!/\d/.test(name) && name.length <= 40) return name;
    return `*${/\.[A-Za-z]{1,8}$/.exec(name)?.[0] ?? ""}`;
  });
}

/** Names with digits that are not ids: `Base64DecodeError`, `ERR_HTTP2_ERROR`, `ORA-00942`. */
function isName(text: string): boolean {
  return /(?:Error|Exception)$/.test(text) || /^[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+$/.test(text) ||
    /^(?:ORA|PLS|TNS|SQL|ERR)-\d{1,5}$/.test(text);
}

/** Text before a number that makes it a code. */
const BEFORE_CODE = [
  /\b(?:exit|code|status|errno|error|err|http|sqlstate|signal)[\s:=#"'([-]*$/i,
  /\bHTTP\/[\d.]+ $/,
  /(?:^|[\s:])[\w.+-]+: \($/, // curl: (7)
  /(?:: |\[|\(|\berror |\bcode |^)[A-Z]{1,3}$/, // E11000, TS2322, P2002
  /\b(?:ORA|PLS|TNS|SQL|ERR)-$/,
];
/** Text before a number that makes it a code if it could be an HTTP status. */
const BEFORE_STATUS =
  /\b(?:got|returned|returns|respond(?:ed|s)(?: with)?|answer(?:ed|s)(?: with)?|replied(?: with)?|response|received|said|unexpected)[\s:=("']*$/i;
/** A measure or a count: the number before it is not a code. */
const UNIT = /^ ?(?:ms|[kMGT]?i?B|[a-z]+s|s|min|h)\b/;

/** Keeps short codes: 503, but not 30000 ms. */
function foldNumber(number: string, at: number, reason: string): string {
  if (!/^\d{1,5}$/.test(number)) return "*";
  const before = reason.slice(Math.max(0, at - 40), at);
  const after = reason.slice(at + number.length, at + number.length + 24);
  if (UNIT.test(after)) return "*";
  if (BEFORE_CODE.some((shape) => shape.test(before))) return number;
  if (!/^[1-5]\d\d$/.test(number)) return "*";
  const isStatus = /^ [A-Z][a-z]/.test(after) || BEFORE_STATUS.test(before) ||
    (number >= "400" && before.endsWith(": ") && /^(?:$|[,;.)])/.test(after));
  return isStatus ? number : "*";
}

/** A reason as it is searched. */
export function searchText(reason: string): string {
  return reason.toLowerCase().replace(/\s+/g, " ");
}

/** True if a reason contains this text, ignoring case; `*` matches any text. */
export function reasonHolds(reason: string, part: string): boolean {
  const text = searchText(reason);
  let at = 0;
  for (const piece of searchText(part).split("*")) {
    const found = text.indexOf(piece, at);
    if (found < 0) return false;
    at = found + piece.length;
  }
  return true;
}
