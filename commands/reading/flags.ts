/** Flags that all reading commands share: which events to read. */
import { InvalidArgumentError } from "../../core/base/errors.ts";
import { plainText, textFlag } from "../cli/define.ts";
import { load } from "../cli/lazy.ts";
import { typedOffset } from "../terminal/local_time.ts";
import { type FormatPart, parseFormat } from "./format.ts";

/** Which of the events to read. */
export interface SelectionFlags {
  from?: string;
  type?: readonly string[];
  where?: string;
}

export const selectionFlags = {
  from: {
    kind: "parsed",
    parse: typedOffset,
    brief: "Where to start: start, end, a seq, -N (the last N), @2026-11-23T10:00:00, @-1h",
    placeholder: "OFFSET",
    optional: true,
  },
  type: {
    kind: "parsed",
    parse: plainText,
    brief: "Only events of this type",
    placeholder: "TYPE",
    variadic: true,
    optional: true,
  },
  where: textFlag(
    "Only events that match this CEL expression over event and payload",
    "EXPRESSION",
  ),
} as const;

export const rawFlag = {
  kind: "boolean",
  brief: "Print payloads only, strings as their text; unescaped, even on a terminal",
  optional: true,
} as const;

/** How to print events. */
export interface OutputFlags {
  raw?: boolean;
  format?: FormatPart[];
  cloudevents?: boolean;
}

export const outputFlags = {
  raw: rawFlag,
  format: {
    kind: "parsed",
    parse: parseFormat,
    brief: "Print this text for each event, with tokens such as %s and %p replaced",
    placeholder: "FORMAT",
    optional: true,
  },
  cloudevents: {
    kind: "boolean",
    brief: "Print each event as a CloudEvent, one line of JSON",
    optional: true,
  },
} as const;

/** The flags that were given and say how to print. */
export function printingFlags({ raw, format, cloudevents }: OutputFlags): string[] {
  return [
    ...(raw ? ["--raw"] : []),
    ...(format === undefined ? [] : ["--format"]),
    ...(cloudevents ? ["--cloudevents"] : []),
  ];
}

/** What makes CloudEvents of a block of events; undefined where they are not asked for. */
export async function conversionOf(
  { cloudevents }: OutputFlags,
): Promise<((block: Uint8Array) => Uint8Array) | undefined> {
  if (!cloudevents) return undefined;
  const { cloudEventBlock } = await load<typeof import("./cloud_events.ts")>(
    "./reading/cloud_events.ts",
  );
  return cloudEventBlock;
}

/** Refuses what cannot be printed at once. */
export function checkOutputFlags(flags: OutputFlags, verb: string): void {
  const [one, other] = printingFlags(flags);
  if (other === undefined) return;
  throw new InvalidArgumentError(`${one} and ${other} exclude each other`, {
    code: "argument/usage",
    hint: `evs ${verb} --help`,
  });
}

export const topicsArgument = {
  kind: "array",
  parameter: {
    parse: plainText,
    brief: "A topic or a pattern: * is one segment between dots, ** any number",
    placeholder: "TOPIC",
  },
  minimum: 1,
} as const;
