/**
 * `evs VERB --help`: usage, description, examples, arguments and flags with their values. Generated
 * from the definition and wrapped to the width of the terminal.
 */
import { type CommandRoute, COMMON_FLAGS, docsOf } from "./define.ts";
import type { Palette } from "../terminal/colour.ts";
import { pad, width } from "../terminal/table.ts";
import { hanging, wrapText } from "../terminal/wrap.ts";

/** The parts of a stricli flag that the page needs. */
export interface Flag {
  kind: "boolean" | "counter" | "enum" | "parsed";
  brief: string;
  optional?: boolean;
  default?: unknown;
  values?: readonly string[];
  placeholder?: string;
  variadic?: boolean | string;
  hidden?: boolean;
  withNegated?: boolean;
}

interface Parameters {
  flags?: Record<string, Flag>;
  aliases?: Record<string, string>;
  positional?:
    | { kind: "array"; parameter: Place; minimum?: number }
    | { kind: "tuple"; parameters: readonly Place[] };
}

interface Place {
  brief: string;
  placeholder?: string;
  optional?: boolean;
}

/** The command or group that words lead to, and the words up to it. */
export interface FoundRoute {
  route: CommandRoute;
  path: string[];
}

/** Follows words into groups as long as they name something. */
export function findRoute(top: FoundRoute, words: readonly string[]): FoundRoute {
  let found = top;
  for (const word of words) {
    if (!("getAllEntries" in found.route)) return found;
    const entry = entriesOf(found.route).find(({ name }) => name === word);
    if (entry === undefined) return found;
    found = { route: entry.route, path: [...found.path, word] };
  }
  return found;
}

/** The page of help. */
export function helpPage(
  { route, path }: FoundRoute,
  { paint, columns }: { paint: Palette; columns: number },
): string {
  const { brief, description = brief, examples = [] } = docsOf(route);
  const parts = [
    section("USAGE", usageLines({ route, path }).map((line) => hanging(line, { columns, by: 6 }))),
    [wrapText(description, columns)],
    section("COMMANDS", isGroup(route) ? rows(entriesOf(route).map(briefly)) : []),
    section(
      "EXAMPLES",
      examples.flatMap((
        [command, meaning],
      ) => [`  evs ${command}`, wrapText(`      ${meaning}`, columns)]),
    ),
    ...(isGroup(route) ? [] : commandSections(route)),
  ];
  return parts.filter((part) => part.length > 0).map((part) => part.join("\n")).join("\n\n") + "\n";

  function section(title: string, lines: readonly string[]): string[] {
    return lines.length === 0 ? [] : [paint.bold(title), ...lines];
  }

  function commandSections(route: Exclude<CommandRoute, GroupRoute>): string[][] {
    const { places, flags, common } = inputsOf(route);
    return [
      section("ARGUMENTS", rows(places)),
      section("FLAGS", rows(flags)),
      section("ON EVERY COMMAND", [hanging(`  ${common.join(", ")}`, { columns, by: 2 })]),
    ];
  }

  function rows(pairs: readonly (readonly [name: string, text: string])[]): string[] {
    // One long name must not push all the others to the right.
    const left = Math.min(26, Math.max(0, ...pairs.map(([name]) => width(name))));
    return pairs.map(([name, text]) => {
      const head = `  ${paint.bold(pad(name, { width: left }))}  `;
      const indent = " ".repeat(left + 4);
      const body = wrapText(indent + text, columns);
      return width(name) > left
        ? `  ${paint.bold(name)}\n${body}`
        : head + body.slice(indent.length);
    });
  }
}

/** What a command takes: each with how it is typed and what it means. */
export interface CommandInputs {
  places: readonly (readonly [name: string, meaning: string])[];
  flags: readonly (readonly [words: string, meaning: string])[];
  /** The flags that every command has, as they are typed. */
  common: readonly string[];
}

/** The arguments and flags of a command. */
export function inputsOf(route: Exclude<CommandRoute, GroupRoute>): CommandInputs {
  const parameters = route.parameters as Parameters;
  const own = Object.entries(parameters.flags ?? {})
    .filter(([name, flag]) =>
      flag.hidden !== true && (COMMON_FLAGS[name] !== flag || name === "wait")
    );
  const common = Object.entries(COMMON_FLAGS as Record<string, Flag>)
    .filter(([name]) => name !== "wait")
    .map(([name, flag]) => flagWords(name, flag, {}));
  return {
    places: docsOf(route).arguments ??
      placesOf(parameters).map((place) => [place.placeholder ?? "", place.brief]),
    flags: own.map(([name, flag]) => [
      flagWords(name, flag, parameters.aliases ?? {}),
      flagBrief(flag),
    ]),
    common: [...common, "--help"],
  };
}

function briefly({ name, route }: { name: string; route: CommandRoute }): [string, string] {
  return [name, route.brief];
}

/** A group of commands. */
export type GroupRoute = Extract<CommandRoute, { getAllEntries: unknown }>;

/** Whether it is a group. */
export function isGroup(route: CommandRoute): route is GroupRoute {
  return "getAllEntries" in route;
}

/** The members of a group, but for hidden ones. */
export function entriesOf(route: GroupRoute): { name: string; route: CommandRoute }[] {
  return route.getAllEntries().filter(({ hidden }) => !hidden)
    .map(({ name, target }) => ({
      name: name["convert-camel-to-kebab"],
      route: target as CommandRoute,
    }));
}

/** How a command is typed, indented by two. */
export function usageLines({ route, path }: FoundRoute): string[] {
  const typed = ["  evs", ...path].join(" ");
  if (isGroup(route)) return [`${typed} COMMAND [ARGUMENTS] [FLAGS]`];
  const own = docsOf(route).usage;
  if (own !== undefined) return own.map((line) => `${typed} ${line}`);
  const parameters = route.parameters as Parameters;
  const places = placesOf(parameters).map(({ placeholder, optional }) =>
    optional ? `[${placeholder}]` : placeholder
  );
  const flags = Object.entries(parameters.flags ?? {})
    .filter(([name, flag]) => flag.hidden !== true && COMMON_FLAGS[name] !== flag)
    .sort(([, a], [, b]) => Number(isOptional(a)) - Number(isOptional(b)))
    .map(([name, flag]) => {
      const words = flagWords(name, flag, {}).replace(/\.\.\.$/, "");
      const more = flag.variadic ? "..." : "";
      return isOptional(flag) ? `[${words}]${more}` : `${words}${more}`;
    });
  return [[typed, ...places, ...flags].join(" ")];
}

function placesOf({ positional }: Parameters): Place[] {
  if (positional === undefined) return [];
  if (positional.kind === "tuple") return [...positional.parameters];
  const { parameter, minimum = 0 } = positional;
  return [{
    ...parameter,
    placeholder: `${parameter.placeholder ?? ""}...`,
    optional: minimum === 0,
  }];
}

/** How a flag is typed: `-n, --lines N`, `--on-error stop|skip`, `--type TYPE...`. */
export function flagWords(name: string, flag: Flag, aliases: Record<string, string>): string {
  const letters = Object.entries(aliases).filter(([, target]) => target === name)
    .map(([letter]) => `-${letter}, `);
  const value = flag.kind === "enum" ? flag.values!.join("|") : flag.placeholder;
  const isSwitch = flag.kind === "boolean" || flag.kind === "counter";
  const negated = isSwitch && flag.withNegated !== false ? `, --no-${kebab(name)}` : "";
  return `${letters.join("")}--${kebab(name)}${negated}` +
    (isSwitch ? "" : ` ${value ?? "VALUE"}`) + (flag.variadic ? "..." : "");
}

function flagBrief(flag: Flag): string {
  if (!isOptional(flag)) return `${flag.brief}; needed`;
  const given = typeof flag.default === "string" && flag.default !== "" ? flag.default : undefined;
  return given === undefined ? flag.brief : `${flag.brief}; default ${given}`;
}

function isOptional(flag: Flag): boolean {
  return flag.optional === true || flag.default !== undefined || flag.kind === "counter";
}

function kebab(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
}
