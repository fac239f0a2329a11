/** `evs schema diff`: what changed between two versions, and who breaks. */
import type { SchemaDiff } from "../../core/protocol/schemas.ts";
import type { EvsContext } from "../cli/context.ts";
import { plainText, textFlag, verb } from "../cli/define.ts";
import { typeArgument } from "./arguments.ts";
import { readInput } from "../cli/input.ts";
import { escapeText } from "../terminal/escape.ts";
import { checkJson } from "./register.ts";

type DiffFlags = { with?: string };

export const route = verb<DiffFlags, [string, string?, string?]>({
  brief: "Compare two versions of a schema",
  description:
    "Shows what changed between two versions, by JSON pointer, and what breaks: backward, if the new version may reject old payloads; forward, if the old version may reject new ones. Without versions it compares the last two; --with compares a file that is not registered yet.",
  examples: [
    ["schema diff user.created", "the latest version and the one before it"],
    ["schema diff user.created 1.0 2.0", "two versions"],
    ["schema diff user.created --with ./user.json", "the latest version and a file"],
  ],
  parameters: {
    flags: {
      with: textFlag("Compare with this file, or - for stdin, instead of with a version", "FILE"),
    },
    positional: {
      kind: "tuple",
      parameters: [
        typeArgument,
        { parse: plainText, brief: "The old version", placeholder: "OLD", optional: true },
        { parse: plainText, brief: "The new version", placeholder: "NEW", optional: true },
      ],
    },
  },
  run: diffSchemas,
});

async function diffSchemas(
  this: EvsContext,
  flags: DiffFlags,
  type: string,
  from?: string,
  to?: string,
): Promise<void> {
  const schema = flags.with === undefined ? undefined : await readInput(this, flags.with);
  if (schema !== undefined) checkJson(schema, flags.with!);
  const client = await this.client();
  const found = await client.diffSchemas(type, { from, to, schema });
  if (!this.forPeople) return this.printJson(found);
  const name = found.to ?? (flags.with === "-" ? "stdin" : flags.with!);
  for (const line of diffLines(found, name)) this.print(escapeText(line));
}

/** The longest value that is shown in full. */
const WIDEST = 60;

/** Formats a comparison for people. */
export function diffLines(
  { type, from, backward, forward, changes }: SchemaDiff,
  to: string,
): string[] {
  const verdict = (breaks: readonly unknown[]) => breaks.length === 0 ? "yes" : "no";
  if (changes.length === 0) return [`${type}: ${from} and ${to} say the same`];
  return [
    `${type} ${from} -> ${to}: backward compatible ${verdict(backward)}, forward ${
      verdict(forward)
    }`,
    ...changes.map(({ pointer, change, old, new: next }) => {
      if (change === "added") return `+ ${pointer}  ${short(next)}`;
      if (change === "removed") return `- ${pointer}  ${short(old)}`;
      return `~ ${pointer || "(the whole)"}  ${short(old)} -> ${short(next)}`;
    }),
    ...backward.flatMap(({ pointer, message }) => [
      `breaks backward at ${pointer || "the root"} of ${to}:`,
      `  ${message}`,
    ]),
    ...forward.flatMap(({ pointer, message }) => [
      `breaks forward at ${pointer || "the root"} of ${from}:`,
      `  ${message}`,
    ]),
  ];
}

function short(value: unknown): string {
  const line = JSON.stringify(value);
  return line.length > WIDEST ? `${line.slice(0, WIDEST - 1)}…` : line;
}
