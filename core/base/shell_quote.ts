/**
 * A command line that a person copies into a shell must be the one that is meant: `*`, spaces and
 * quotes stay what they are.
 */

/** A word as a shell takes it. */
export function shellQuote(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;
}

/** What was typed behind `evs`, to be typed again, with one flag more. */
export function typedAgain(argv: readonly string[], flag?: string): string {
  const end = argv.indexOf("--");
  const words = argv.map(shellQuote);
  if (flag !== undefined) words.splice(end < 0 ? words.length : end, 0, flag);
  return ["evs", ...words].join(" ");
}
