/**
 * Defines commands: stricli's builders plus what all our commands share.
 *
 * `verb` adds the common flags (already read by cli.ts, so commands need not handle them) and the
 * examples in the help, and turns errors into a message on stderr and an exit code. `group` puts
 * verbs under a noun.
 */
import {
  buildCommand,
  buildRouteMap,
  type Command,
  type RouteMap,
  type TypedCommandParameters,
} from "@stricli/core";
import { configPath, contextName, placePath, waitTime } from "./arguments.ts";
import type { EvsContext } from "./context.ts";
import { reportError } from "./report.ts";

/** A command or a group of them. */
export type CommandRoute = Command<EvsContext> | RouteMap<EvsContext>;

/** A verb known only by name until it is loaded. */
export interface LazyRoute {
  brief: string;
  load: () => Promise<{ route: CommandRoute }>;
}

type FlagsOf<FLAGS> = Readonly<Partial<Record<keyof FLAGS, unknown>>>;
type Arguments = readonly unknown[];

/** The help of a command or a group. */
export interface RouteDocs {
  /** One line in the list of commands. */
  brief: string;
  /** A description in sentences. */
  description?: string;
  /** Example lines without `evs`, each with its meaning. */
  examples?: readonly (readonly [command: string, meaning: string])[];
  /** Usage lines without `evs VERB`, for commands whose generated usage would be hard to read. */
  usage?: readonly string[];
  /**
   * The places of arguments, the last of which may come again, where the parser knows them as a
   * list of one kind.
   */
  arguments?: readonly (readonly [name: string, meaning: string])[];
}

/** A command's definition. */
export interface VerbOptions<FLAGS extends FlagsOf<FLAGS>, ARGS extends Arguments>
  extends RouteDocs {
  examples: readonly (readonly [command: string, meaning: string])[];
  parameters: TypedCommandParameters<FLAGS, [...ARGS], EvsContext>;
  /** False if the command does not use a daemon, so there is none to wait for. */
  needsDaemon?: boolean;
  run: (this: EvsContext, flags: FLAGS, ...args: ARGS) => void | Promise<void>;
}

const docs = new WeakMap<object, RouteDocs>();

/** The help with which a command or a group was defined. */
export function docsOf(route: { brief: string }): RouteDocs {
  return docs.get(route) ?? { brief: route.brief };
}

/** The flags that every command has; `wait` only for those that use a daemon. */
export const COMMON_FLAGS: Record<string, unknown> = withoutNegation({
  json: {
    kind: "boolean",
    brief: "JSON output, even on a terminal, and for errors",
    optional: true,
  },
  color: {
    kind: "enum",
    values: ["auto", "always", "never"],
    brief: "Colours; NO_COLOR is respected",
    optional: true,
  },
  quiet: { kind: "boolean", brief: "Print only errors on stderr", optional: true },
  verbose: { kind: "boolean", brief: "Print more on stderr", optional: true },
  socket: {
    kind: "parsed",
    parse: placePath,
    brief: "The daemon's socket, instead of EVS_SOCKET",
    placeholder: "FILE",
    optional: true,
  },
  dataDir: {
    kind: "parsed",
    parse: placePath,
    brief: "The data dir, and so the daemon that has it; instead of EVS_DATA_DIR",
    placeholder: "FOLDER",
    optional: true,
  },
  config: {
    kind: "parsed",
    parse: configPath,
    brief: "The config file of a daemon that is started, instead of EVS_CONFIG",
    placeholder: "FILE",
    optional: true,
  },
  context: {
    kind: "parsed",
    parse: contextName,
    brief: "The named context (evs context list), instead of EVS_CONTEXT and the current one",
    placeholder: "CONTEXT",
    optional: true,
  },
  wait: {
    kind: "parsed",
    parse: waitTime,
    brief: "Wait this long for a daemon that is not there yet",
    placeholder: "DURATION",
    optional: true,
  },
});

/** Defines a command. */
export function verb<
  const FLAGS extends FlagsOf<FLAGS> = NonNullable<unknown>,
  const ARGS extends Arguments = [],
>(
  options: VerbOptions<FLAGS, ARGS>,
): Command<EvsContext> {
  const { parameters, run } = options;
  const own = (parameters.flags ?? {}) as Record<string, unknown>;
  const command = buildCommand<FLAGS, [...ARGS], EvsContext>({
    async func(this: EvsContext, flags: FLAGS, ...args: ARGS): Promise<void> {
      try {
        await run.call(this, withoutCommon(flags, own), ...args);
      } catch (error) {
        this.exitCode = reportError(this, error);
      } finally {
        this.close();
      }
    },
    // No prototype, so that `--constructor` is an unknown flag like any other.
    parameters: {
      ...withNamesGiven(parameters),
      flags: Object.assign(
        Object.create(null),
        withoutNegation(withValuesGiven(own)),
        commonFlags(options),
      ),
    } as typeof parameters,
    docs: { brief: options.brief },
  });
  docs.set(command, options);
  return command;
}

/** The command's own flags: some pass all of them on, as a query. */
function withoutCommon<FLAGS>(flags: FLAGS, own: Record<string, unknown>): FLAGS {
  const entries = Object.entries(flags as Record<string, unknown>);
  return Object.fromEntries(
    entries.filter(([name]) => name in own || !(name in COMMON_FLAGS)),
  ) as FLAGS;
}

function commonFlags({ needsDaemon = true }: { needsDaemon?: boolean }): Record<string, unknown> {
  const { wait, ...everywhere } = COMMON_FLAGS;
  return needsDaemon ? { ...everywhere, wait } : everywhere;
}

/** Defines a group of commands. */
export function group(options: {
  brief: string;
  description?: string;
  routes: Record<string, CommandRoute>;
  /** The command that is meant if none is named. */
  defaultRoute?: string;
}): RouteMap<EvsContext> {
  const routes = buildRouteMap<string, EvsContext>({
    ...(options.defaultRoute !== undefined && { defaultCommand: options.defaultRoute }),
    routes: Object.assign(Object.create(null), options.routes),
    docs: { brief: options.brief },
  });
  docs.set(routes, options);
  return routes;
}

/** What is never an empty text: in a script, an empty one is a variable that was not set. */
const NAMES = new Set(["CONTEXT", "TOPIC", "TYPE", "NAME", "PATTERN", "ID", "SEQ|ID", "FILE"]);

interface Parsed {
  parse?: (this: unknown, input: string) => unknown;
  placeholder?: string;
}

/** Refuses an empty text where a name belongs, before it becomes half a path of a request. */
function givenName<PARSED extends Parsed>(parameter: PARSED): PARSED {
  const { parse, placeholder = "" } = parameter;
  if (parse === undefined || parse === anyWord || !NAMES.has(placeholder)) return parameter;
  return {
    ...parameter,
    parse(this: unknown, input: string) {
      if (input === "") throw new SyntaxError("it is empty");
      return parse.call(this, input);
    },
  };
}

function withValuesGiven(flags: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(flags).map(([name, flag]) => [name, givenName(flag as Parsed)]),
  );
}

function withNamesGiven<PARAMETERS extends { positional?: unknown }>(
  parameters: PARAMETERS,
): PARAMETERS {
  const positional = parameters.positional as
    | { parameter?: Parsed; parameters?: readonly Parsed[] }
    | undefined;
  if (positional === undefined) return parameters;
  const { parameter, parameters: places } = positional;
  return {
    ...parameters,
    positional: {
      ...positional,
      ...parameter !== undefined && { parameter: givenName(parameter) },
      ...places !== undefined && { parameters: places.map(givenName) },
    },
  };
}

/** Offers `--no-X` only for flags with `withNegated: true`. */
function withoutNegation(flags: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(flags).map(([name, flag]) => [
      name,
      (flag as { kind: string }).kind === "boolean"
        ? { withNegated: false, ...flag as object }
        : flag,
    ]),
  );
}

// Parsers for common flags and arguments.

/** Any text, as typed. */
export const plainText = (input: string): string => input;

/** The same, also an empty text where a name belongs: a word of somebody else's command. */
export const anyWord = (input: string): string => input;

/** An optional flag that takes any text. */
export function textFlag(brief: string, placeholder: string) {
  return { kind: "parsed", parse: plainText, brief, placeholder, optional: true } as const;
}

/** A whole number of at least 0. */
export function count(input: string): number {
  if (!/^\d{1,15}$/.test(input)) throw new SyntaxError("a whole number is needed");
  return Number(input);
}

/** A whole number of at least 1. */
export function positive(input: string): number {
  const number = count(input);
  if (number < 1) throw new SyntaxError("a whole number of at least 1 is needed");
  return number;
}
