/**
 * Quoting for command lines that people copy into a shell, so that `*`, spaces and quotes survive.
 */

/** Quotes a word for the shell. */
export function shellQuote(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;
}

/** The `evs` command line that was typed, ready to paste, with an optional extra flag. */
export function typedAgain(argv: readonly string[], flag?: string): string {
  const end = argv.indexOf("--");
  const words = argv.map(shellQuote);
  if (flag !== undefined) words.splice(end < 0 ? words.length : end, 0, flag);
  return ["evs", ...words].join(" ");
}
