/**
 * What a shell can complete, derived from the route map itself, so that no verb or flag can be
 * forgotten.
 *
 * Each command or group is a {@link CompletionNode} under its path (`topic create`). A {@link
 * CompletionValue} says what a position accepts: names that the running daemon knows, fixed words,
 * files, commands.
 */
import type { Command, CommandContext, RouteMap } from "@stricli/core";

/** What one position accepts. */
export type CompletionValue =
  | { kind: "names"; of: NameKind }
  | { kind: "words"; words: readonly string[] }
  | { kind: "files" }
  /** `@` and a file, or anything. */
  | { kind: "payload" }
  | { kind: "commands" }
  | { kind: "any" };

/** Names that the daemon knows. */
export type NameKind = "topics" | "subscriptions" | "schemas";

export const nameKinds: readonly NameKind[] = ["topics", "subscriptions", "schemas"];

/** A flag as typed, with its dashes. */
export interface CompletionFlag {
  name: string;
  brief: string;
  /** Absent: it takes no value. */
  value?: CompletionValue;
}

/** One command or group. */
export interface CompletionNode {
  /** The words after `evs`; empty for `evs` itself. */
  path: string;
  routes: { name: string; brief: string }[];
  flags: CompletionFlag[];
  positionals: CompletionValue[];
  /** The last positional may be repeated. */
  repeats: boolean;
}

/** A verb or a group, by name. */
export interface CompletionEntry<C extends CommandContext> {
  name: string;
  brief: string;
  target: RouteMap<C> | Command<C>;
}

/** Builds the whole tree from the verbs; groups come before their members. */
export function completionTree<C extends CommandContext>(
  verbs: readonly CompletionEntry<C>[],
): CompletionNode[] {
  const nodes: CompletionNode[] = [];
  visitGroup(verbs, "");
  return nodes;

  function visitGroup(entries: readonly CompletionEntry<C>[], path: string): void {
    nodes.push({
      path,
      routes: entries.map(({ name, brief }) => ({ name, brief })),
      flags: [helpFlag],
      positionals: [],
      repeats: false,
    });
    for (const { name, target } of entries) visit(target, `${path} ${name}`.trim());
  }

  function visit(target: RouteMap<C> | Command<C>, path: string): void {
    if (!("getAllEntries" in target)) {
      nodes.push(commandNode(target, path));
      return;
    }
    const shown = target.getAllEntries().filter((entry) => !entry.hidden);
    visitGroup(
      shown.map((entry) => ({
        name: entry.name["convert-camel-to-kebab"],
        brief: entry.target.brief,
        target: entry.target,
      })),
      path,
    );
  }
}

const helpFlag: CompletionFlag = { name: "--help", brief: "Print help information and exit" };

type Flag = NonNullable<Command<CommandContext>["parameters"]["flags"]>[string];

function commandNode<C extends CommandContext>(command: Command<C>, path: string): CompletionNode {
  const { flags = {}, aliases = {}, positional } = command.parameters;
  const found: CompletionFlag[] = [];
  for (const [name, flag] of Object.entries(flags)) {
    if ("hidden" in flag && flag.hidden) continue;
    const value = flagValue(flag, { name, path });
    const rest = { brief: flag.brief, ...(value === undefined ? {} : { value }) };
    found.push({ name: `--${kebab(name)}`, ...rest });
    for (const [letter, target] of Object.entries(aliases)) {
      if (target === name) found.push({ name: `-${letter}`, ...rest });
    }
    if (flag.kind === "boolean" && flag.default === true && flag.withNegated !== false) {
      found.push({ name: `--no-${kebab(name)}`, brief: flag.brief });
    }
  }
  found.push(helpFlag);
  const parameters = positional === undefined
    ? []
    : positional.kind === "array"
    ? [positional.parameter]
    : positional.parameters;
  return {
    path,
    routes: [],
    flags: found,
    positionals: parameters.map((parameter) => placeValue(parameter.placeholder ?? "", path)),
    repeats: positional?.kind === "array",
  };
}

function flagValue(
  flag: Flag,
  place: { name: string; path: string },
): CompletionValue | undefined {
  switch (flag.kind) {
    case "boolean":
    case "counter":
      return undefined;
    case "enum":
      return { kind: "words", words: flag.values };
    default: {
      const known = flagNames[place.name];
      if (known !== undefined) return { kind: "names", of: known };
      if (place.name === "name" && place.path === "consume") return subscriptions;
      if (place.name === "to" && place.path.startsWith("dlq")) return subscriptions;
      if (isOffset(place)) return { kind: "words", words: ["start", "end", "-10", "@-1h"] };
      return place.name === "config" ? { kind: "files" } : { kind: "any" };
    }
  }
}

/** For schemas `--from` is a version, and for dead letters `--to` is a subscription. */
function isOffset({ name, path }: { name: string; path: string }): boolean {
  return (name === "from" || name === "to") && !path.startsWith("schema");
}

const subscriptions: CompletionValue = { kind: "names", of: "subscriptions" };

const flagNames: Readonly<Record<string, NameKind>> = {
  topic: "topics",
  into: "topics",
  subscription: "subscriptions",
  type: "schemas",
};

/** What a positional accepts, derived from its placeholder. */
function placeValue(placeholder: string, path: string): CompletionValue {
  const word = placeholder.toLowerCase();
  if (word.startsWith("topic")) return { kind: "names", of: "topics" };
  if (word === "subscription" || (word === "name" && path.startsWith("subscription"))) {
    return subscriptions;
  }
  if (word === "type") return { kind: "names", of: "schemas" };
  if (word.startsWith("file")) return { kind: "files" };
  if (word === "payload") return { kind: "payload" };
  if (word.startsWith("command")) return { kind: "commands" };
  if (word === "shell") return { kind: "words", words: ["bash", "zsh", "fish"] };
  return { kind: "any" };
}

function kebab(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
}
