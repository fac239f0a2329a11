/** The command line before stricli sees it: the flags that all commands share, and spellings that it does not know. */
import type { CommonOptions } from "./context.ts";

/** The common flags, wherever they stand before `--`. */
export function readCommonOptions(argv: readonly string[]): CommonOptions {
  const options: CommonOptions = { json: false, color: "auto", quiet: false, verbose: false };
  for (const [index, word] of argv.entries()) {
    if (word === "--") break;
    if (word === "--json") options.json = true;
    if (word === "--quiet") options.quiet = true;
    if (word === "--verbose") options.verbose = true;
    const color = word === "--color" ? argv[index + 1] : /^--color=(.*)$/.exec(word)?.[1];
    if (color === "always" || color === "never" || color === "auto") options.color = color;
  }
  return options;
}

/** `-n5` becomes `-n 5`, and `--flag=` with an empty value or one of several lines becomes two words. */
export function splitArguments(argv: readonly string[]): string[] {
  const words: string[] = [];
  for (const [index, word] of argv.entries()) {
    if (word === "--") return [...words, ...argv.slice(index)];
    const number = /^(-[a-z])(\d+)$/i.exec(word);
    const value = /^(--[a-z][a-z\d-]*)=(|.*\n[^]*)$/i.exec(word);
    if (number !== null) words.push(number[1] ?? "", number[2] ?? "");
    else if (value !== null) words.push(value[1] ?? "", value[2] ?? "");
    else words.push(word);
  }
  return words;
}
