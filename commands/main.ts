/**
 * Runs one command line: finds the verb, loads only its file, lets stricli parse the arguments, and
 * runs it.
 */
import {
  ArgumentScannerError,
  buildApplication,
  buildRouteMap,
  formatMessageForArgumentScannerError,
  run,
  text_en,
} from "@stricli/core";
import { choosePlaces, readCommonOptions, splitArguments } from "./cli/arguments.ts";
import { EvsContext } from "./cli/context.ts";
import type { CommandRoute } from "./cli/define.ts";
import { load } from "./cli/lazy.ts";
import { verbs } from "./mod.ts";
import { CHECK_UNKNOWN, formatError, reportError } from "./cli/report.ts";
import { EvsError, ExitCode, InternalError, InvalidArgumentError } from "../core/base/errors.ts";
import { VERSION } from "../core/base/version.ts";

/** Runs one command line (the part after `evs`) and returns the exit code. */
export async function main(argv: readonly string[]): Promise<number> {
  const options = readCommonOptions(argv);
  const context = new EvsContext({ argv, options });
  try {
    return await dispatch(context, splitArguments(argv));
  } catch (error) {
    const code = reportError(context, error);
    // Whoever watches must not take an error of ours for a warning about the daemon.
    return argv[0] === "check" ? CHECK_UNKNOWN : code;
  }
}

async function dispatch(context: EvsContext, args: string[]): Promise<number> {
  const word = args[0] ?? "--help";
  if (word === "--version" || word === "-v") {
    if (context.json) context.printJson({ version: VERSION });
    else context.print(`evs ${VERSION}`);
    return ExitCode.Ok;
  }
  if (word === "--help" || word === "-h" || word === "help") {
    const about = word === "help" ? args[1] : undefined;
    if (about !== undefined) return await dispatch(context, [...args.slice(1), "--help"]);
    const { overview } = await load<typeof import("./cli/help.ts")>("./cli/help.ts");
    context.stdout.writeSync(overview(verbs, { paint: context.paint, version: VERSION }));
    return ExitCode.Ok;
  }
  const lazy = verbs.get(word);
  if (lazy === undefined) throw await unknownVerb(word);
  const { route } = await lazy.load();
  const { findRoute, helpPage } = await load<typeof import("./cli/help_page.ts")>(
    "./cli/help_page.ts",
  );
  const end = args.indexOf("--");
  const words = end < 0 ? args : args.slice(0, end);
  const found = findRoute({ route, path: [word] }, words.slice(1));
  const isBare = "getAllEntries" in found.route && found.path.length === words.length &&
    found.route.getDefaultCommand() === undefined;
  if (isBare || words.includes("--help") || words.includes("-h")) {
    const { paint, stdout } = context;
    const columns = Math.max(40, Math.min(stdout.columns ?? 80, 100));
    stdout.writeSync(helpPage(found, { paint, columns }));
    return ExitCode.Ok;
  }
  await choosePlacesFor(context, word);
  return await runRoute(context, { word, route, args, path: found.path });
}

/** Verbs that use no place of a daemon, or one of their own: a wrong context must not stop them. */
const WITHOUT_CONTEXT = new Set(["context", "docs", "completions", "with"]);

/** The context that is named or current, then the flags: these say more exactly what is meant. */
async function choosePlacesFor(context: EvsContext, word: string): Promise<void> {
  const { contextGiven, places } = context;
  const isPlaced = places?.EVS_SOCKET !== undefined || places?.EVS_DATA_DIR !== undefined;
  if (!WITHOUT_CONTEXT.has(word) && (contextGiven !== undefined || !isPlaced)) {
    const { useContext } = await load<typeof import("./context/contexts.ts")>(
      "./context/contexts.ts",
    );
    context.contextUsed = useContext(contextGiven || undefined);
  }
  if (places !== undefined) choosePlaces(places);
}

async function runRoute(
  context: EvsContext,
  { word, route, args, path }: {
    word: string;
    route: CommandRoute;
    args: string[];
    path: string[];
  },
): Promise<number> {
  const complain = (message: string, code?: string) =>
    formatError(context, usageError(message, { path, code })).trimEnd();
  const root = buildRouteMap<string, EvsContext>({
    routes: Object.assign(Object.create(null), { [word]: route }),
    docs: { brief: "evs" },
  });
  const application = buildApplication(root, {
    name: "evs",
    scanner: {
      caseStyle: "allow-kebab-for-camel",
      allowArgumentEscapeSequence: true,
      distanceOptions: {
        threshold: 4,
        weights: { insertion: 1, deletion: 2, substitution: 2, transposition: 1 },
      },
    },
    documentation: { disableAnsiColor: !context.paint.enabled },
    localization: {
      text: {
        ...text_en,
        noCommandRegisteredForInput: ({ input, corrections }) =>
          input.startsWith("-") ? formatError(context, flagFirst(input, path)).trimEnd() : complain(
            `\`${["evs", ...path, input].join(" ")}\` is no command${didYouMean(corrections)}`,
            "argument/unknown-command",
          ),
        exceptionWhileParsingArguments: (error) =>
          error instanceof ArgumentScannerError
            ? complain(scannerMessage(error, args.join(" ")))
            // Of a parser that is asynchronous, the error itself comes.
            : error instanceof EvsError
            ? complain(error.message)
            : formatError(context, bug(error)).trimEnd(),
        exceptionWhileLoadingCommandFunction: (error) => formatError(context, bug(error)).trimEnd(),
      },
    },
  });
  await run(application, args, context);
  const ended = Number(context.process.exitCode ?? 0);
  // stricli's own codes are negative: -4 and -5 are command-line errors, the others are bugs of
  // ours.
  if (ended === -4 || ended === -5) return word === "check" ? CHECK_UNKNOWN : ExitCode.Usage;
  return ended === 0 ? context.exitCode : ExitCode.Bug;
}

/** Our own message for what is wrong with the flags and arguments. */
function scannerMessage(error: ArgumentScannerError, typed: string): string {
  return formatMessageForArgumentScannerError(error, {
    FlagNotFoundError: ({ input, corrections }) =>
      `there is no flag --${input}${didYouMean(corrections.map((name) => `--${name}`))}`,
    AliasNotFoundError: ({ input }) => `there is no flag -${input}`,
    ArgumentParseError: ({ externalFlagNameOrPlaceholder, input, exception }) => {
      const reason = exception instanceof Error ? exception.message : String(exception);
      const name = externalFlagNameOrPlaceholder;
      const what = /^[a-z]/.test(name) ? `--${name}` : name;
      // A reason that already quotes the input is enough.
      if (reason.includes(JSON.stringify(input)) && reason.startsWith(what)) return reason;
      return `${what} cannot be ${JSON.stringify(input)}: ${
        reason.replace(`, not ${JSON.stringify(input)}`, "")
      }`;
    },
    EnumValidationError: ({ externalFlagName, input, values, message }) =>
      `--${externalFlagName} is ${values.join(", ")}, not ${JSON.stringify(input)}${
        /, did you mean .*$/.exec(message)?.[0]?.replace(",", ";") ?? ""
      }`,
    UnsatisfiedFlagError: ({ externalFlagName, nextFlagName }) =>
      `--${externalFlagName} ${
        nextFlagName !== undefined
          ? `needs a value; --${nextFlagName} came instead`
          : typed.includes(`--${externalFlagName}`)
          ? "needs a value"
          : "is missing"
      }${externalFlagName === "version" ? "; the version of evs itself: evs --version" : ""}`,
    UnexpectedPositionalError: ({ expectedCount, input }) =>
      `${JSON.stringify(input)} is one argument too many: ${expectedCount} ${
        expectedCount === 1 ? "is" : "are"
      } taken`,
    UnsatisfiedPositionalError: ({ placeholder }) => `${placeholder} is missing`,
    UnexpectedFlagError: ({ externalFlagName, previousInput, input }) =>
      `--${externalFlagName} is there twice: ${JSON.stringify(previousInput)} and ${
        JSON.stringify(input)
      }`,
    InvalidNegatedFlagSyntaxError: ({ externalFlagName }) => `--${externalFlagName} takes no value`,
  });
}

/** The flags that all commands share, and those of them that take a value. */
const VALUED = new Set([
  "--socket",
  "--data-dir",
  "--config",
  "--context",
  "--wait",
  "--color",
]);
const COMMON = new Set([...VALUED, "--json", "--quiet", "--verbose"]);

function flagOf(word: string): string {
  return word.split("=")[0]!;
}

/** A flag stands where the command, or that of a group, should be named. */
function flagFirst(word: string, path: readonly string[]): InvalidArgumentError {
  const flag = flagOf(word);
  const typed = ["evs", ...path].join(" ");
  return new InvalidArgumentError(`flags come after the command, and ${flag} came first`, {
    code: "argument/usage",
    hint: COMMON.has(flag)
      ? `${typed} COMMAND ${flag}${VALUED.has(flag) ? " ..." : ""}`
      : `${typed} --help names the commands`,
  });
}

async function unknownVerb(word: string): Promise<InvalidArgumentError> {
  const { nearest } = await load<typeof import("../core/base/suggest.ts")>(
    "../core/base/suggest.ts",
  );
  if (COMMON.has(flagOf(word))) return flagFirst(word, []);
  const words = await groupsWith(word);
  if (word === "version" || word === "-V") words.push("--version");
  else if (word.startsWith("-")) words.push(...nearest(word, ["--version", "--help"]));
  else if (words.length === 0) words.push(...nearest(word, [...verbs.keys()]));
  const near = words.map((name) => `\`${name}\``);
  return new InvalidArgumentError(`\`evs ${word}\` is no command${didYouMean(near)}`, {
    code: "argument/unknown-command",
    hint: "evs --help",
  });
}

/** The groups that have a command of this name, with it: `daemon start` for `start`. */
async function groupsWith(word: string): Promise<string[]> {
  const { entriesOf, isGroup } = await load<typeof import("./cli/help_page.ts")>(
    "./cli/help_page.ts",
  );
  const found: string[] = [];
  for (const [name, lazy] of verbs) {
    const { route } = await lazy.load();
    if (isGroup(route) && entriesOf(route).some((entry) => entry.name === word)) {
      found.push(`${name} ${word}`);
    }
  }
  return found;
}

function usageError(
  message: string,
  options: { path: readonly string[]; code?: string },
): Error & InvalidArgumentError {
  return new InvalidArgumentError(message, {
    code: options.code ?? "argument/usage",
    hint: ["evs", ...options.path, "--help"].join(" "),
  });
}

function didYouMean(words: readonly string[]): string {
  return words.length === 0 ? "" : `; did you mean ${words.join(" or ")}?`;
}

function bug(error: unknown): InternalError {
  const text = error instanceof Error ? error.stack ?? error.message : String(error);
  return new InternalError(`this is a bug in evs: ${text}`);
}
