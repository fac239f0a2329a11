/** `evs schema register`. */
import type { SchemaInfo } from "../../core/protocol/schemas.ts";
import {
  COMPATIBILITY_LEVELS,
  type CompatibilityLevel,
} from "../../core/event/compatibility_level.ts";
import type { EvsContext } from "../cli/context.ts";
import { plainText, textFlag, verb } from "../cli/define.ts";
import { readInput } from "../cli/input.ts";
import { parseJson } from "../../core/json/json.ts";
import {
  EventRefusedError,
  InvalidArgumentError,
  InvalidSchemaError,
} from "../../core/base/errors.ts";
import { escapeText } from "../terminal/escape.ts";
import { schemaFiles } from "./folder.ts";

type RegisterFlags = { version?: string; compat?: CompatibilityLevel; dryRun: boolean };

export const route = verb<RegisterFlags, [string, string?]>({
  brief: "Register schemas for event types",
  description:
    "Registers a JSON Schema (2020-12, or draft-07 by its $schema) for events of TYPE. Registering the same schema again changes nothing; a different one under an existing version is a conflict. With --compat, a version that breaks the previous one is refused, with each reason and its JSON pointer; the requirement also applies to the type's later versions. A folder is registered as a whole or not at all; its schemas are TYPE.json, TYPE@VERSION.json or TYPE/VERSION.json.",
  examples: [
    [
      "schema register user.created ./user.json --version 1.0",
      "events of user.created are checked from now on",
    ],
    ["schema register user.created - < user.json", "the next version, from stdin"],
    [
      "schema register user.created ./user.json --compat backward",
      "only if it accepts every payload of the previous version",
    ],
    ["schema register ./schemas --dry-run", "what registering a folder would change"],
  ],
  usage: [
    "TYPE FILE|-  [--version VERSION] [--compat none|backward|forward|full] [--dry-run]",
    "FOLDER  [--compat none|backward|forward|full] [--dry-run]",
  ],
  parameters: {
    flags: {
      version: textFlag("The version; by default the next one", "VERSION"),
      compat: {
        kind: "enum",
        values: COMPATIBILITY_LEVELS,
        brief: "The compatibility required of this and later versions; default none",
        optional: true,
      },
      dryRun: { kind: "boolean", brief: "Only print what would be registered", default: false },
    },
    positional: {
      kind: "tuple",
      parameters: [
        { parse: plainText, brief: "The event type, or a folder", placeholder: "TYPE" },
        {
          parse: plainText,
          brief: "A file with a JSON Schema, or - for stdin",
          placeholder: "FILE",
          optional: true,
        },
      ],
    },
  },
  run: registerSchema,
});

async function registerSchema(
  this: EvsContext,
  flags: RegisterFlags,
  type: string,
  file?: string,
): Promise<void> {
  if (file === undefined) return await registerFolder(this, flags, type);
  const bytes = await readInput(this, file);
  checkJson(bytes, file);
  const client = await this.client();
  const info = await client.registerSchema(type, bytes, {
    version: flags.version,
    compatibility: flags.compat,
    dryRun: flags.dryRun,
  });
  if (this.forPeople) tell(this, info, flags);
  else this.printJson(info);
  warn(this, info);
}

async function registerFolder(
  context: EvsContext,
  flags: RegisterFlags,
  folder: string,
): Promise<void> {
  if (flags.version !== undefined) {
    throw new InvalidArgumentError("--version goes with one schema", {
      code: "argument/usage",
      hint: "in a folder the version is part of the name: TYPE@VERSION.json",
    });
  }
  const files = await schemaFiles(folder);
  const schemas = [];
  for (const { path, type, version } of files) {
    const bytes = await readInput(context, path);
    checkJson(bytes, path);
    schemas.push({
      type,
      version,
      schema: new TextDecoder().decode(bytes),
      compatibility: flags.compat,
    });
  }
  const client = await context.client();
  const infos = await client.registerSchemas({ schemas, dryRun: flags.dryRun });
  infos.forEach((info, index) => {
    warn(context, info);
    if (context.forPeople) tell(context, info, flags);
    else {
      const dryRun = flags.dryRun ? { dryRun: true } : {};
      context.printJson({ ...info, ...dryRun, file: files[index]?.path });
    }
  });
}

function tell(context: EvsContext, info: SchemaInfo, { dryRun }: RegisterFlags): void {
  const { type, version, created, against } = info;
  const done = created === false
    ? "is registered already"
    : dryRun
    ? "could be registered"
    : "is registered";
  context.print(
    escapeText(`${type} ${version} ${done}${against && created ? inWords(against) : ""}`),
  );
}

/**
 * A warning on stderr, for people and scripts alike: the schema is registered, but does not check
 * what it seems to.
 */
function warn(context: EvsContext, { type, warnings = [] }: SchemaInfo): void {
  for (const { pointer, message } of warnings) {
    context.say(escapeText(`warning: ${type} at ${pointer}: ${message}`));
  }
}

function inWords({ version, backward, forward }: NonNullable<SchemaInfo["against"]>): string {
  const say = (breaks: readonly unknown[]) => breaks.length === 0 ? "yes" : `no (${breaks.length})`;
  return `; against ${version}: backward ${say(backward)}, forward ${say(forward)}`;
}

/** Reports invalid JSON in a file before the daemon is asked. */
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
