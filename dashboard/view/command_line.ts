/** The `evs` command line that an act stands for. Pure. */
import { shellQuote } from "../../core/base/shell_quote.ts";

/** Flags by name; those that are undefined, empty or false are left out. */
export type Flags = Record<string, string | number | boolean | undefined>;

/**
 * A line to paste into a shell. `evs` is how commands for this daemon begin, and is quoted already.
 * A word that begins with a hyphen would be read as a flag, so it goes behind `--`.
 */
export function evsCommand(
  evs: string,
  { words, flags = {} }: { words: readonly string[]; flags?: Flags },
): string {
  const [verbs, names] = splitAt(words, words.findIndex((word) => word.startsWith("-")));
  const given = Object.entries(flags).flatMap(([name, value]) =>
    value === undefined || value === "" || value === false
      ? []
      : value === true
      ? [`--${name}`]
      : [String(value).startsWith("-") ? `--${name}=${value}` : `--${name}`, ...rest(value)]
  );
  const all = [...verbs, ...given, ...(names.length > 0 ? ["--", ...names] : [])];
  return [evs, ...all.map(shellQuote)].join(" ");
}

function rest(value: string | number | boolean): string[] {
  return String(value).startsWith("-") ? [] : [String(value)];
}

function splitAt(words: readonly string[], at: number): [string[], string[]] {
  return at < 0 ? [[...words], []] : [words.slice(0, at), words.slice(at)];
}
