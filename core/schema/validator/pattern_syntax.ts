/**
 * Translates ECMA-262 patterns (flag `u`) for RE2. The two differ in the meaning of `.`, `\s` and
 * `$`, in the names of Unicode properties, and in how often something may be repeated. Whatever RE2
 * treats differently is spelled out as code points. Capturing groups become plain groups, because a
 * pattern is only ever tested.
 */

/** Why a pattern is rejected, and what to do about it. */
export class PatternRefusal extends Error {
  readonly hint: string;

  constructor(reason: string, hint: string) {
    super(reason);
    this.hint = hint;
  }
}

/** The most repetitions that RE2 supports in one quantifier. */
const MOST_AT_ONCE = 1000;
/** More repetitions than this always make the program too large. */
const MOST_REPEATS = 100_000;
/** The longest translation of one part, in characters; nested counts multiply. */
const LONGEST_OUTPUT = 200_000;
const LINEAR = "patterns run in linear time: without look-around and back-references";
const MAX_CODE_POINT = 0x10ffff;

const ANY = `[\\x{0}-\\x{10ffff}]`;
const NOTHING = `[^\\x{0}-\\x{10ffff}]`;
const DOT = `[^\\n\\r\\x{2028}\\x{2029}]`;
/** ECMA-262's white space and line terminators. */
const SPACES: readonly Range[] = [
  [0x9, 0xd],
  [0x20, 0x20],
  [0xa0, 0xa0],
  [0x1680, 0x1680],
  [0x2000, 0x200a],
  [0x2028, 0x2029],
  [0x202f, 0x202f],
  [0x205f, 0x205f],
  [0x3000, 0x3000],
  [0xfeff, 0xfeff],
];

type Range = readonly [first: number, last: number];

/** Callbacks during a translation. */
export interface TranslationOptions {
  /** Called for each Unicode property in the pattern. */
  onProperty?: () => void;
}

/** The pattern for RE2. `pattern` must be valid for V8. Throws `PatternRefusal`. */
export function toRe2(pattern: string, options: TranslationOptions = {}): string {
  return new Translator(pattern, options).translate();
}

class Translator {
  readonly #pattern: string;
  readonly #onProperty: () => void;
  #at = 0;

  constructor(pattern: string, { onProperty = () => {} }: TranslationOptions) {
    this.#pattern = pattern;
    this.#onProperty = onProperty;
  }

  translate(): string {
    let out = "";
    while (this.#at < this.#pattern.length) out += this.#term();
    return out;
  }

  #peek(length = 1): string {
    return this.#pattern.slice(this.#at, this.#at + length);
  }

  /** Consumes `text` if it comes next. */
  #take(text: string): boolean {
    if (!this.#pattern.startsWith(text, this.#at)) return false;
    this.#at += text.length;
    return true;
  }

  #match(expression: RegExp): RegExpExecArray | undefined {
    expression.lastIndex = this.#at;
    const found = expression.exec(this.#pattern);
    if (!found) return undefined;
    this.#at += found[0].length;
    return found;
  }

  /** One part of an alternative with its quantifier, or the separator of alternatives. */
  #term(): string {
    if (this.#take("|")) return "|";
    if (this.#take("^")) return "\\A";
    if (this.#take("$")) return "\\z";
    if (this.#peek(2) === "\\b" || this.#peek(2) === "\\B") {
      this.#at += 2;
      return this.#pattern.slice(this.#at - 2, this.#at);
    }
    const atom = this.#atom();
    return repeated(atom, this.#match(/(?:[*+?]|\{\d+(?:,\d*)?\})\??/y)?.[0] ?? "");
  }

  #atom(): string {
    if (this.#take(".")) return DOT;
    if (this.#take("(")) return this.#group();
    if (this.#take("[")) return this.#class();
    if (this.#peek() === "\\") {
      const set = this.#setEscape();
      return set === undefined ? literal(this.#character()) : classOf(set);
    }
    return literal(this.#character());
  }

  #group(): string {
    if (this.#match(/\?<?[=!]/y)) throw new PatternRefusal("it has look-around", LINEAR);
    const open = this.#match(/\?(?:<[^>]*>|([a-z-]*):)/y);
    const flags = open?.[1] ?? "";
    if (/[ms]/.test(flags)) {
      throw new PatternRefusal(`it changes the flags ${flags}`, "only i can be changed in a group");
    }
    let inner = "";
    while (!this.#take(")")) inner += this.#term();
    return `(?${flags}:${inner})`;
  }

  /** Parses what follows `[`. */
  #class(): string {
    const negated = this.#take("^");
    const ranges: Range[] = [];
    while (!this.#take("]")) {
      const set = this.#setEscape();
      if (set !== undefined) {
        ranges.push(...set);
        continue;
      }
      const first = this.#classCharacter();
      const isRange = this.#peek() === "-" && this.#peek(2) !== "-]";
      if (isRange) this.#at++;
      ranges.push([first, isRange ? this.#classCharacter() : first]);
    }
    if (ranges.length === 0) return negated ? ANY : NOTHING;
    return classOf(ranges, negated);
  }

  #classCharacter(): number {
    return this.#take("\\b") ? 0x8 : this.#character();
  }

  /** `\d`, `\p{…}` and so on as code points; undefined if something else comes next. */
  #setEscape(): readonly Range[] | undefined {
    const found = this.#match(/\\(?:([dDwWsS])|([pP])\{([^}]*)\})/y);
    if (!found) return undefined;
    const [, short, property, name] = found;
    if (property !== undefined) this.#onProperty();
    const set = property === undefined ? SHORT[short!.toLowerCase()]! : propertyRanges(name!);
    return (short ?? property!) === (short ?? property!).toLowerCase() ? set : complement(set);
  }

  /** The code point of one character, escaped or not. */
  #character(): number {
    if (!this.#take("\\")) {
      const code = this.#pattern.codePointAt(this.#at)!;
      this.#at += code > 0xffff ? 2 : 1;
      return code;
    }
    if (this.#match(/[1-9]|k</y)) throw new PatternRefusal("it has a back-reference", LINEAR);
    const pair = this.#match(/u(d[89ab][0-9a-f]{2})\\u(d[c-f][0-9a-f]{2})/iy);
    if (pair) {
      return String.fromCharCode(parseInt(pair[1]!, 16), parseInt(pair[2]!, 16)).codePointAt(0)!;
    }
    const hex = this.#match(/u\{([0-9a-f]+)\}|u([0-9a-f]{4})|x([0-9a-f]{2})/iy);
    if (hex) return parseInt(hex[1] ?? hex[2] ?? hex[3]!, 16);
    const control = this.#match(/c([a-z])/iy);
    if (control) return control[1]!.charCodeAt(0) % 32;
    const char = this.#peek();
    this.#at++;
    return CONTROLS[char] ?? char.charCodeAt(0);
  }
}

const CONTROLS: Record<string, number> = { "0": 0, t: 0x9, n: 0xa, v: 0xb, f: 0xc, r: 0xd };

const SHORT: Record<string, readonly Range[]> = {
  d: [[0x30, 0x39]],
  w: [[0x30, 0x39], [0x41, 0x5a], [0x5f, 0x5f], [0x61, 0x7a]],
  s: SPACES,
};

function literal(code: number): string {
  return /^[A-Za-z0-9 ]$/.test(String.fromCodePoint(code))
    ? String.fromCodePoint(code)
    : `\\x{${code.toString(16)}}`;
}

function classOf(ranges: readonly Range[], negated = false): string {
  const inner = ranges.map(([first, last]) =>
    first === last ? literal(first) : `${literal(first)}-${literal(last)}`
  );
  return `[${negated ? "^" : ""}${inner.join("")}]`;
}

function complement(ranges: readonly Range[]): Range[] {
  const rest: Range[] = [];
  let next = 0;
  for (const [first, last] of ranges) {
    if (first > next) rest.push([next, first - 1]);
    next = last + 1;
  }
  if (next <= MAX_CODE_POINT) rest.push([next, MAX_CODE_POINT]);
  return rest;
}

/**
 * The atom with its quantifier. A count larger than RE2 supports is split into several in a row.
 */
function repeated(atom: string, quantifier: string): string {
  const [, low, comma, high] = /^\{(\d+)(,?)(\d*)\}/.exec(quantifier) ?? [];
  if (low === undefined) return atom + quantifier;
  const least = Number(low);
  const most = comma === "" ? least : high === "" ? Infinity : Number(high);
  if (least <= MOST_AT_ONCE && (most <= MOST_AT_ONCE || most === Infinity)) {
    return atom + quantifier;
  }
  const largest = most === Infinity ? least : most;
  if (largest > MOST_REPEATS) {
    throw new PatternRefusal(`it repeats something ${largest} times`, "use smaller counts");
  }
  if (atom.length * (largest / MOST_AT_ONCE + 1) > LONGEST_OUTPUT) {
    throw new PatternRefusal("its counts make it too large", "use smaller counts");
  }
  let out = "";
  for (let left = least; left > 0; left -= MOST_AT_ONCE) {
    out += `${atom}{${Math.min(left, MOST_AT_ONCE)}}`;
  }
  if (most === Infinity) return `(?:${out}${atom}*)`;
  for (let left = most - least; left > 0; left -= MOST_AT_ONCE) {
    out += `${atom}{0,${Math.min(left, MOST_AT_ONCE)}}`;
  }
  return `(?:${out})`;
}

/** Appends a range, or extends the last one. */
function add(ranges: Range[], [first, last]: Range): void {
  const before = ranges.at(-1);
  if (before?.[1] === first - 1) ranges[ranges.length - 1] = [before[0], last];
  else ranges.push([first, last]);
}

const known = new Map<string, readonly Range[]>();

/**
 * The code points of a Unicode property according to V8. Scanning all of Unicode takes 20 ms, once.
 */
function propertyRanges(name: string): readonly Range[] {
  const before = known.get(name);
  if (before !== undefined) return before;
  const runs = new RegExp(`\\p{${name}}+`, "gu");
  const found: Range[] = [];
  for (const segment of SEGMENTS) {
    const [first, last] = segment;
    if (UNIFORM.includes(segment)) {
      if (String.fromCodePoint(first).search(runs) === 0) add(found, segment);
      continue;
    }
    const width = first > 0xffff ? 2 : 1;
    for (const { 0: run, index } of textOf(first, last).matchAll(runs)) {
      const start = first + index / width;
      add(found, [start, start + run.length / width - 1]);
    }
  }
  known.set(name, found);
  return found;
}

/** Ranges of Unicode whose code points all have the same properties, so one can stand for all. */
const UNIFORM: readonly Range[] = [
  [0xd800, 0xdfff], // surrogates
  // Unassigned planes; each ends with two noncharacters.
  ...Array.from({ length: 10 }, (_, plane): Range[] => {
    const last = ((plane + 5) << 16) - 1;
    return [[(plane + 4) << 16, last - 2], [last - 1, last]];
  }).flat(),
];
/** All other ranges. */
const VARIED: readonly Range[] = [
  [0, 0xd7ff],
  [0xe000, 0xffff],
  ...[1, 2, 3, 14, 15, 16].map((plane): Range => [plane << 16, ((plane + 1) << 16) - 1]),
];
const SEGMENTS = [...UNIFORM, ...VARIED].sort(([a], [b]) => a - b);

const decoder = new TextDecoder("utf-16le", { ignoreBOM: true });

/** All characters of a segment, one after the other. */
function textOf(first: number, last: number): string {
  const isWide = first > 0xffff;
  const units = new Uint16Array((last - first + 1) * (isWide ? 2 : 1));
  for (let code = first, at = 0; code <= last; code++) {
    if (isWide) units[at++] = 0xd800 + ((code - 0x10000) >> 10);
    units[at++] = isWide ? 0xdc00 + (code & 0x3ff) : code;
  }
  return decoder.decode(units);
}
