/**
 * Preprocesses the command line before stricli sees it: flags that all commands share, and
 * spellings that stricli does not support.
 */
import { exists } from "../../core/base/if_there.ts";
import { InvalidArgumentError } from "../../core/base/errors.ts";
import { parseDuration } from "../../core/base/units.ts";
import type { CommonOptions } from "./context.ts";

/** Reads the common flags, anywhere before `--`. */
export function readCommonOptions(argv: readonly string[]): CommonOptions {
  const options: CommonOptions = { json: false, color: "auto", quiet: false, verbose: false };
  for (const [index, word] of argv.entries()) {
    if (word === "--") break;
    if (word === "--json") options.json = true;
    if (word === "--quiet") options.quiet = true;
    if (word === "--verbose") options.verbose = true;
    const wait = word === "--wait" ? argv[index + 1] : /^--wait=(.*)$/.exec(word)?.[1];
    if (wait !== undefined) options.waitMs = readWait(wait);
    for (const { flag, variable } of PLACES) {
      const path = word === flag
        ? argv[index + 1]
        : word.startsWith(`${flag}=`)
        ? word.slice(flag.length + 1)
        : undefined;
      if (path !== undefined) (options.places ??= {})[variable] = path;
    }
    const named = word === "--context" ? argv[index + 1] : /^--context=(.*)$/.exec(word)?.[1];
    if (named !== undefined) options.context = named;
    const color = word === "--color" ? argv[index + 1] : /^--color=(.*)$/.exec(word)?.[1];
    if (color === "always" || color === "never" || color === "auto") options.color = color;
  }
  return options;
}

/** The flags that say where the daemon is, and the variables that they override. */
const PLACES = [
  { flag: "--socket", variable: "EVS_SOCKET" },
  { flag: "--data-dir", variable: "EVS_DATA_DIR" },
  // The parser takes this spelling, too: it must not mean the environment's daemon.
  { flag: "--dataDir", variable: "EVS_DATA_DIR" },
  { flag: "--config", variable: "EVS_CONFIG" },
] as const;

/**
 * Puts places from the command line into this process's environment, where everything looks for
 * them, also the commands that `evs consume` runs. A data dir on the command line comes before a
 * socket in the environment, which may be another daemon's.
 */
export function choosePlaces(places: NonNullable<CommonOptions["places"]>): void {
  if (places.EVS_DATA_DIR && !places.EVS_SOCKET) Deno.env.delete("EVS_SOCKET");
  for (const [variable, path] of Object.entries(places)) {
    // An empty path is refused when the command line is parsed.
    if (path !== "") Deno.env.set(variable, path.startsWith("/") ? path : `${Deno.cwd()}/${path}`);
  }
}

/** A path as the value of a flag. Throws if it is empty. */
export function placePath(text: string): string {
  if (text === "") throw new SyntaxError("a path is needed");
  return text;
}

/** The name of a context as the value of a flag. Throws if it is empty. */
export function contextName(text: string): string {
  if (text === "") throw new SyntaxError("a name is needed");
  return text;
}

/** The path of a file that is there. Throws if it is not: a daemon would start with its defaults. */
export function configPath(text: string): string {
  const path = placePath(text);
  if (!exists(path)) throw new SyntaxError("there is no such file");
  return path;
}

/** The value of `--wait`, ms. Throws if it is not a duration. */
export function waitTime(text: string): number {
  return parseDuration(text, "--wait");
}

/** The same; an invalid duration is reported later, when the command line is parsed. */
function readWait(text: string): number {
  try {
    return waitTime(text);
  } catch (error) {
    if (error instanceof InvalidArgumentError) return 0;
    throw error;
  }
}

/** Turns `-n5` into `-n 5`, and `--flag=` with an empty or multi-line value into two words. */
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
