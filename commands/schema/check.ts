/** `evs schema check`: would these payloads be accepted? */
import type { SchemaVerdict } from "../../core/protocol/schemas.ts";
import { ExitCode } from "../../core/base/errors.ts";
import type { EvsContext } from "../cli/context.ts";
import { plainText, verb } from "../cli/define.ts";
import { typeArgument, versionFlag } from "./arguments.ts";
import { escapeText } from "../terminal/escape.ts";
import { batches, readInput, toLines } from "../cli/input.ts";

type CheckFlags = { version?: string };

export const route = verb<CheckFlags, [string, string?]>({
  brief: "Check payloads without publishing them",
  description:
    "Checks payloads of TYPE from a file or stdin: one JSON value, or one per line. Names each fault by its JSON pointer; nothing is stored. Exits with 4 if a payload would be rejected.",
  examples: [
    ["schema check user.created payload.json", "one payload"],
    [
      "schema check user.created - --version 1.0 < payloads.ndjson",
      "many, against an older version",
    ],
  ],
  parameters: {
    flags: {
      version: versionFlag,
    },
    positional: {
      kind: "tuple",
      parameters: [
        typeArgument,
        { parse: plainText, brief: "A file, or - for stdin", placeholder: "FILE", optional: true },
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

function faultLines(verdict: SchemaVerdict): string[] {
  if (verdict.error !== undefined) {
    return [`line ${verdict.line}: ${escapeText(verdict.error.message)}`];
  }
  return (verdict.faults ?? []).map((fault) => {
    const place = fault.pointer === "" ? "(the whole payload)" : fault.pointer;
    return `line ${verdict.line}: ${escapeText(place)}: ${escapeText(fault.message)}`;
  });
}
