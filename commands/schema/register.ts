/** `evs schema register`. */
import type { EvsContext } from "../context.ts";
import { text, verb } from "../define.ts";
import { readInput } from "../input.ts";
import { parseJson } from "../../core/json.ts";
import { EventRefusedError, InvalidSchemaError } from "../../core/errors.ts";

type RegisterFlags = { version?: string; dryRun: boolean };

export const register = verb<RegisterFlags, [string, string]>({
  brief: "Register a schema for an event type",
  description:
    "Registers a JSON Schema (2020-12, or draft-07 by its $schema) for events of TYPE. The same schema again changes nothing; another one under a version that is there is a conflict.",
  examples: [
    [
      "schema register user.created ./user.json --version 1.0",
      "events of user.created are checked from now on",
    ],
    ["schema register user.created - < user.json", "the next version, from stdin"],
  ],
  parameters: {
    flags: {
      version: {
        kind: "parsed",
        parse: text,
        brief: "The version; the next one when it is left out",
        placeholder: "V",
        optional: true,
      },
      dryRun: { kind: "boolean", brief: "Only check the file", default: false },
    },
    positional: {
      kind: "tuple",
      parameters: [
        { parse: text, brief: "The event type", placeholder: "TYPE" },
        { parse: text, brief: "A file with a JSON Schema, or - for stdin", placeholder: "FILE" },
      ],
    },
  },
  run: registerSchema,
});

async function registerSchema(
  this: EvsContext,
  flags: RegisterFlags,
  type: string,
  file: string,
): Promise<void> {
  const bytes = await readInput(this, file);
  checkJson(bytes, file);
  const client = await this.client();
  const info = await client.registerSchema(type, bytes, {
    version: flags.version,
    dryRun: flags.dryRun,
  });
  if (!this.forPeople) return this.printJson(info);
  if (flags.dryRun) this.say(`${type} ${info.version} could be registered`);
  else if (info.created === false) this.say(`${type} ${info.version} was registered already`);
  else this.say(`${type} ${info.version} is registered`);
}

/** Says where a file is no JSON, before the daemon is asked. */
export function checkJson(bytes: Uint8Array, file: string): void {
  const name = file === "-" ? "stdin" : file;
  let source: string;
  try {
    source = new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch (cause) {
    throw new InvalidSchemaError(`${name} is not valid UTF-8`, { cause });
  }
  try {
    parseJson(source);
  } catch (error) {
    if (!(error instanceof EventRefusedError)) throw error;
    throw new InvalidSchemaError(`${name}: ${error.message}`, {
      details: error.details,
      cause: error,
    });
  }
}
