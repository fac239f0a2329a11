/**
 * Reasons of dead letters, as causes. What differs from event to event (ids, long numbers, times,
 * addresses, what varies in a path) is folded to `*`, so that a thousand reasons of one cause read
 * the same; what tells causes apart (words, also quoted ones, and short codes: HTTP 503, `[Errno
 * 111]`, E11000) stays. A `*` in a filter stands for any text, so that what a group is called is
 * what finds its members.
 */

/** A shape of text, and what it becomes; left out: `*`. */
type Fold = readonly [shape: RegExp, by?: (found: string, at: number, reason: string) => string];

/**
 * Quoted, as programs and people quote; Ruby opens with a backtick and closes with an apostrophe.
 */
const QUOTED = /"[^"]*"|(?<!\w)'[^']*'(?!\w)|`[^`']*['`]/g;
const URL = /\b[a-z][a-z0-9+.-]*:\/\/[^\s,;)\]}>"'`]+/gi;
const MAIL = /\b[\w.+-]+@[\w-]+(?:\.[\w-]+)+/g;
const TIME = /\b\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d(?:[.,]\d+)?)?(?:Z|[+-]\d\d:?\d\d)?)?\b/g;
const PATH = /(?<![\w*])(?:~|\.{1,2}|[A-Za-z]:)?(?:[/\\][\w.@%+=-]+)+[/\\]?/g;
const UUID = /\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b/gi;
const HEX = /\b0x[0-9a-f]+\b/gi;
/** Letters and digits, long. */
const ID = /\b(?=[0-9a-z_-]*\d)(?=[0-9a-z_-]*[a-z])[0-9a-z_-]{8,}\b/gi;
const NUMBER = /\d+(?:[.,:]\d+)*/g;
// deno-lint-ignore no-control-regex -- a reason that a client gave may have colours
const COLOUR = /\x1b\[[0-9;]*m/g;

/** In this order: the longer shapes before the shorter ones that they hold. */
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

/** The same without a regard for what tells causes apart; an exit code does even so. */
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

/** The longest reason that is looked at, in characters. */
const LONGEST = 500;

/** A reason without what is peculiar to one event. */
export function foldReason(reason: string): string {
  return fold(reason, FOLDS);
}

/** A reason without anything that could be: for words and codes that turn out to be data. */
export function foldReasonWholly(reason: string): string {
  return fold(reason, WHOLE_FOLDS);
}

function fold(reason: string, folds: readonly Fold[]): string {
  let text = reason.slice(0, LONGEST);
  for (const [shape, by = () => "*"] of folds) text = text.replace(shape, by);
  return text.replace(/\*(?:\s*\*)+/g, "*").replace(/\s+/g, " ").trim();
}

/**
 * A quoted word stays: the field or the method that is missing. What else is quoted is data, but
 * for a path or a URL.
 */
function foldQuoted(quoted: string): string {
  const inside = quoted.slice(1, -1);
  if (/^[A-Za-z_$][\w$.:-]{0,39}$/.test(inside) && !/\d/.test(inside)) return quoted;
  return /^(?:[~.]{0,2}[/\\]|[a-z][a-z0-9+.-]*:\/\/)\S*$/i.test(inside) ? quoted : "*";
}

/** The host tells who failed. */
function foldUrl(url: string): string {
  const [, scheme, user, host, rest] = /^([^:]+:\/\/)([^/?#@]*@)?([^/?#]*)(.*)$/.exec(url)!;
  return `${scheme}${user === undefined ? "" : "*"}${host}${rest === "" ? "" : "/*"}`;
}

/** Folders and names stay, but for those with numbers in them and those that nobody would give. */
function foldPath(path: string): string {
  return path.replace(/[^/\\]+/g, (name) => {
    if (!/\d/.test(name) && name.length <= 40) return name;
    return `*${/\.[A-Za-z]{1,8}$/.exec(name)?.[0] ?? ""}`;
  });
}

/** Names with digits that are no ids: `Base64DecodeError`, `ERR_HTTP2_ERROR`, `ORA-00942`. */
function isName(text: string): boolean {
  return /(?:Error|Exception)$/.test(text) || /^[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+$/.test(text) ||
    /^(?:ORA|PLS|TNS|SQL|ERR)-\d{1,5}$/.test(text);
}

/** What stands before a number that is a code. */
const BEFORE_CODE = [
  /\b(?:exit|code|status|errno|error|err|http|sqlstate|signal)[\s:=#"'([-]*$/i,
  /\bHTTP\/[\d.]+ $/,
  /(?:^|[\s:])[\w.+-]+: \($/, // curl: (7)
  /(?:: |\[|\(|\berror |\bcode |^)[A-Z]{1,3}$/, // E11000, TS2322, P2002
  /\b(?:ORA|PLS|TNS|SQL|ERR)-$/,
];
/** What stands before a number that is a code where it could be a status of HTTP. */
const BEFORE_STATUS =
  /\b(?:got|returned|returns|respond(?:ed|s)(?: with)?|answer(?:ed|s)(?: with)?|replied(?: with)?|response|received|said|unexpected)[\s:=("']*$/i;
/** A measure or a count: its number is no code. */
const UNIT = /^ ?(?:ms|[kMGT]?i?B|[a-z]+s|s|min|h)\b/;

/** Short codes stay: 503, not 30000 ms. */
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

/** Whether a reason holds this text, without regard to case; `*` stands for any text. */
export function reasonHolds(reason: string, part: string): boolean {
  const text = reason.toLowerCase().replace(/\s+/g, " ");
  let at = 0;
  for (const piece of part.toLowerCase().replace(/\s+/g, " ").split("*")) {
    const found = text.indexOf(piece, at);
    if (found < 0) return false;
    at = found + piece.length;
  }
  return true;
}
