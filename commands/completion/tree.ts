/**
 * What a shell can complete, derived from the route map itself, so that no verb or flag can be
 * forgotten.
 *
 * Each command or group is a {@link CompletionNode} under its path (`topic create`).
 */
import type { Command, CommandContext, RouteMap } from "@stricli/core";
import { docsOf } from "../cli/define.ts";
import { type CompletionValue, valueFor } from "./values.ts";

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
      flags: path === "" ? [helpFlag, versionFlag] : [helpFlag],
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
const versionFlag: CompletionFlag = { name: "--version", brief: "Print the version and exit" };

type Flag = NonNullable<Command<CommandContext>["parameters"]["flags"]>[string];

function commandNode<C extends CommandContext>(command: Command<C>, path: string): CompletionNode {
  const { flags = {}, aliases = {}, positional } = command.parameters;
  const found: CompletionFlag[] = [];
  for (const [name, flag] of Object.entries(flags)) {
    if ("hidden" in flag && flag.hidden) continue;
    const value = flagValue(flag, { name, path });
    const rest = { brief: flag.brief, value };
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
  const places = docsOf(command).arguments?.map(([name]) => name) ??
    parameters.map(({ placeholder = "" }) => placeholder);
  return {
    path,
    routes: [],
    flags: found,
    positionals: places.map((place) => valueFor(place, path)),
    repeats: positional?.kind === "array",
  };
}

/** Undefined for a flag that takes no value. */
function flagValue(
  flag: Flag,
  { name, path }: { name: string; path: string },
): CompletionValue | undefined {
  switch (flag.kind) {
    case "boolean":
    case "counter":
      return undefined;
    case "enum":
      return { kind: "words", words: flag.values };
    default:
      return valueFor(flag.placeholder ?? name.toUpperCase(), path);
  }
}

function kebab(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
}
