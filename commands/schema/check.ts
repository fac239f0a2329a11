/** `evs schema check`: would these payloads be taken? */
import type { SchemaVerdict } from "../../core/client/protocol.ts";
import { ExitCode } from "../../core/errors.ts";
import type { EvsContext } from "../context.ts";
import { text, verb } from "../define.ts";
import { escapeText } from "../terminal/escape.ts";
import { readInput } from "./input.ts";

type CheckFlags = { version?: string };

export const check = verb<CheckFlags, [string, string?]>({
  brief: "Check payloads without publishing them",
  description:
    "Checks payloads of TYPE from a file or stdin: one JSON value, or one a line. Names each fault by JSON pointer; nothing is stored. Ends with 4 when one would be refused.",
  examples: [
    ["schema check user.created payload.json", "one payload"],
    [
      "schema check user.created - --version 1.0 < payloads.ndjson",
      "many, against an older version",
    ],
  ],
  parameters: {
    flags: {
      version: {
        kind: "parsed",
        parse: text,
        brief: "This version instead of the latest",
        placeholder: "V",
        optional: true,
      },
    },
    positional: {
      kind: "tuple",
      parameters: [
        { parse: text, brief: "The event type", placeholder: "TYPE" },
        { parse: text, brief: "A file, or - for stdin", placeholder: "FILE", optional: true },
      ],
    },
  },
  run: checkPayloads,
});

async function checkPayloads(
  this: EvsContext,
  flags: CheckFlags,
  type: string,
  file = "-",
): Promise<void> {
  const body = toLines(await readInput(this, file));
  const client = await this.client();
  const decoder = new TextDecoder();
  let refused = 0;
  let checked = 0;
  for await (const batch of batches(body)) {
    const response = await client.checkSchema(type, batch.bytes, { version: flags.version });
    for await (const raw of response.lines()) {
      if (raw.length === 0) continue;
      const verdict = JSON.parse(decoder.decode(raw)) as SchemaVerdict;
      verdict.line += batch.firstLine - 1;
      checked++;
      if (!verdict.valid) refused++;
      if (!this.forPeople) this.printJson(verdict);
      else if (!verdict.valid) { for (const line of faultLines(verdict)) this.print(line); }
    }
  }
  if (refused > 0) this.exitCode = ExitCode.Refused;
  if (this.forPeople) {
    this.print(refused === 0 ? `${checked} valid` : `${refused} of ${checked} refused`);
  }
}

/** One JSON value over several lines becomes one line; anything else is taken as NDJSON. */
export function toLines(bytes: Uint8Array): Uint8Array {
  const source = new TextDecoder().decode(bytes);
  if (!source.trim().includes("\n")) return bytes;
  try {
    JSON.parse(source);
  } catch {
    // Not one value: a line each, and the daemon says what is wrong with which.
    return bytes;
  }
  // Between tokens a line feed means as little as a space, and in strings there are none.
  return bytes.map((byte) => byte === 0x0a || byte === 0x0d ? 0x20 : byte);
}

/** Small enough for a socket's buffer: verdicts are read only after the whole request is written. */
const BATCH = 64 * 1024;

/** Whole lines, about 64 KiB a request. */
export function* batches(
  bytes: Uint8Array,
): Generator<{ bytes: Uint8Array; firstLine: number }, void, undefined> {
  let firstLine = 1;
  for (let from = 0; from < bytes.length;) {
    let to = bytes.length;
    if (to - from > BATCH) {
      const next = bytes.indexOf(0x0a, from + BATCH);
      if (next >= 0) to = next + 1;
    }
    const part = bytes.subarray(from, to);
    yield { bytes: part, firstLine };
    for (let at = part.indexOf(0x0a); at >= 0; at = part.indexOf(0x0a, at + 1)) firstLine++;
    from = to;
  }
}

function faultLines(verdict: SchemaVerdict): string[] {
  if (verdict.error !== undefined) {
    return [`line ${verdict.line}: ${escapeText(verdict.error.message)}`];
  }
  return (verdict.faults ?? []).map((fault) => {
    const place = fault.pointer === "" ? "(the whole payload)" : fault.pointer;
    return `line ${verdict.line}: ${escapeText(place)}: ${escapeText(fault.message)}`;
  });
}
