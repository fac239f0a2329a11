/** `evs publish`: publishes one event or a stream of them. */
import { LARGEST_JSON_BODY } from "../core/event/limits.ts";
import type { PublishQuery } from "../core/protocol/protocol.ts";
import { EventRefusedError, InvalidArgumentError } from "../core/base/errors.ts";
import { osReason } from "../core/base/thrown.ts";
import { withoutMark } from "./cli/byte_order_mark.ts";
import type { EvsContext } from "./cli/context.ts";
import { count, plainText, textFlag, verb } from "./cli/define.ts";
import { load } from "./cli/lazy.ts";
import { formatReceipt, told } from "./publisher/receipt.ts";
import { typedAgain } from "../core/base/shell_quote.ts";

interface PublishFlags {
  ndjson?: boolean;
  envelope?: boolean;
  key?: string;
  keyPointer?: string;
  meta?: readonly string[];
  id?: string;
  idPrefix?: string;
  schemaVersion?: string;
  expect?: string;
  onError?: "stop" | "skip";
  skip?: number;
}

export const route = verb<PublishFlags, [topic: string, type?: string, payload?: string]>({
  brief: "Publish events to a topic",
  description:
    "Publishes one event and returns once it is stored, or publishes a stream of events from standard input.\n" +
    "PAYLOAD is JSON, @FILE, or - for standard input. In a pipe it prints one line of JSON with what was stored.\n" +
    "With --quiet it prints nothing.",
  usage: [
    "TOPIC TYPE PAYLOAD [--key TEXT | --key-pointer POINTER] [--meta NAME=VALUE]... [--id ID] [--schema-version VERSION] [--expect SEQ|none|exists|any]",
    "TOPIC TYPE --ndjson [--key TEXT | --key-pointer POINTER] [--meta NAME=VALUE]... [--id-prefix PREFIX] [--on-error stop|skip] [--skip N]",
    "TOPIC --envelope [--on-error stop|skip] [--skip N]",
  ],
  examples: [
    [`publish users user.created '{"userId":"u1"}'`, "One event."],
    [
      "publish users user.created @user.json --id import-1",
      "A file; the same --id again stores nothing twice.",
    ],
    [
      "publish log line --ndjson --key-pointer /host <log.ndjson",
      "One payload per line, with its host as the key.",
    ],
    [
      "replay users | evs publish copy --envelope",
      "Events as printed by tail and replay, with their ids.",
    ],
    [
      "publish orders order.paid '{}' --key o1 --expect 7",
      "Only if 7 is still the key's last seq.",
    ],
  ],
  parameters: {
    flags: {
      ndjson: { kind: "boolean", brief: "Standard input has one payload per line", optional: true },
      envelope: {
        kind: "boolean",
        brief: "Standard input has one event per line, as printed by tail",
        optional: true,
      },
      key: textFlag("The key: events with the same key are handled in order", "TEXT"),
      keyPointer: textFlag("JSON pointer to the key in each payload", "POINTER"),
      meta: {
        kind: "parsed",
        parse: plainText,
        brief: "Metadata",
        placeholder: "NAME=VALUE",
        variadic: true,
        optional: true,
      },
      id: textFlag("The event's id; publishing it again stores nothing twice", "ID"),
      idPrefix: textFlag("Line n gets the id P-n, so a second run stores nothing twice", "PREFIX"),
      schemaVersion: textFlag("The schema version; default the highest", "VERSION"),
      expect: {
        kind: "parsed",
        parse: expectation,
        brief: "Store only if this is the last seq of the key or topic",
        placeholder: "SEQ|none|exists|any",
        optional: true,
      },
      onError: {
        kind: "enum",
        values: ["stop", "skip"],
        brief: "What to do at a rejected line; default stop",
        optional: true,
      },
      skip: {
        kind: "parsed",
        parse: count,
        brief: "Skip the first N lines",
        placeholder: "N",
        optional: true,
      },
    },
    positional: {
      kind: "tuple",
      parameters: [
        {
          parse: plainText,
          brief: "The topic; created if it does not exist",
          placeholder: "TOPIC",
        },
        {
          parse: plainText,
          brief: "What happened, such as user.created",
          placeholder: "TYPE",
          optional: true,
        },
        {
          parse: plainText,
          brief: "JSON, @FILE, or - for standard input",
          placeholder: "PAYLOAD",
          optional: true,
        },
      ],
    },
  },
  async run(flags, topic, type, payload) {
    checkFlags(flags, { type, payload });
    const query: PublishQuery = {
      type,
      key: flags.key,
      keyPointer: flags.keyPointer,
      schemaVersion: flags.schemaVersion,
      metadata: metadataOf(flags.meta),
    };
    if (!flags.ndjson && !flags.envelope) {
      return await publishOne(this, topic, {
        payload: payload ?? "",
        query: { ...query, id: flags.id, expected: flags.expect },
      });
    }
    const { inputChunks, publishStream } = await load<typeof import("./publisher/stream.ts")>(
      "./publisher/stream.ts",
    );
    const { idPrefix, onError = "stop", skip = 0 } = flags;
    await publishStream(this, {
      topic,
      query: { ...query, idPrefix, onError },
      skip,
      next: inputChunks(this),
      goOn: (line) => goOn(this, { line, idPrefix }),
    });
  },
});

function expectation(input: string): string {
  if (/^(\d+|none|exists|any)$/.test(input)) return input;
  throw new SyntaxError("a seq, none, exists or any is needed");
}

async function publishOne(
  context: EvsContext,
  topic: string,
  { payload, query }: { payload: string; query: PublishQuery },
): Promise<void> {
  const body = await payloadBytes(context, payload);
  const client = await context.client();
  const reply = await client.publish(topic, body, { query }).catch((error) => {
    throw told(error, payload.startsWith("@") ? undefined : payload);
  });
  if (context.quiet) return;
  context.stdout.writeSync(formatReceipt(topic, { reply, forPeople: context.forPeople }));
}

async function payloadBytes(context: EvsContext, payload: string): Promise<Uint8Array | string> {
  if (payload === "-") return withoutMark(await readInput(context));
  if (!payload.startsWith("@")) return payload;
  const path = payload.slice(1);
  try {
    const { size } = await Deno.stat(path);
    if (size > LARGEST_JSON_BODY) throw tooLarge(`the file ${path}`);
    return withoutMark(await Deno.readFile(path));
  } catch (error) {
    if (error instanceof EventRefusedError) throw error;
    const reason = error instanceof Deno.errors.NotFound
      ? "is not there"
      : `cannot be read: ${osReason(error)}`;
    throw new InvalidArgumentError(`the file ${path} ${reason}`, {
      code: "argument/unreadable-file",
      details: { path },
      cause: error,
    });
  }
}

async function readInput(context: EvsContext): Promise<Uint8Array> {
  let buffer = new Uint8Array(64 * 1024);
  let filled = 0;
  while (true) {
    const count = await context.stdin.read(buffer.subarray(filled));
    if (count === null) return buffer.subarray(0, filled);
    filled += count;
    if (filled > LARGEST_JSON_BODY) throw tooLarge("standard input");
    if (filled < buffer.length) continue;
    const larger = new Uint8Array(buffer.length * 2);
    larger.set(buffer);
    buffer = larger;
  }
}

function tooLarge(what: string): EventRefusedError {
  return new EventRefusedError(
    "event/too-large",
    `${what} has more than ${LARGEST_JSON_BODY} bytes`,
    {
      hint: "publish a reference to the data instead of the data",
    },
  );
}

function checkFlags(flags: PublishFlags, given: { type?: string; payload?: string }): void {
  const wrong = (message: string, hint = "evs publish --help") => {
    throw new InvalidArgumentError(message, { code: "argument/usage", hint });
  };
  const stream = flags.ndjson === true || flags.envelope === true;
  if (flags.ndjson && flags.envelope) wrong("--ndjson and --envelope exclude each other");
  if (flags.envelope && given.type !== undefined) {
    wrong("--envelope takes no TYPE: each line names its own");
  }
  if (!flags.envelope && given.type === undefined) wrong("a TYPE is needed, such as user.created");
  if (stream && given.payload !== undefined) {
    wrong("a PAYLOAD does not go with --ndjson: the payloads come from standard input");
  }
  if (!stream && given.payload === undefined) {
    wrong("a PAYLOAD is needed: JSON, @FILE, - for standard input, or --ndjson for a stream");
  }
  if (flags.key !== undefined && flags.keyPointer !== undefined) {
    wrong("--key and --key-pointer exclude each other");
  }
  if (stream && flags.id !== undefined) wrong("--id names one event; a stream takes --id-prefix");
  if (stream && flags.expect !== undefined) wrong("--expect goes with one event");
  if (stream) return;
  for (const name of ["idPrefix", "onError", "skip"] as const) {
    const flag = { idPrefix: "--id-prefix", onError: "--on-error", skip: "--skip" }[name];
    if (flags[name] !== undefined) wrong(`${flag} goes with --ndjson or --envelope`);
  }
}

function metadataOf(pairs: readonly string[] | undefined): string | undefined {
  if (pairs === undefined || pairs.length === 0) return undefined;
  const metadata = pairs.map((pair) => {
    const equals = pair.indexOf("=");
    if (equals > 0) return [pair.slice(0, equals), pair.slice(equals + 1)];
    throw new InvalidArgumentError(`--meta takes NAME=VALUE, not ${JSON.stringify(pair)}`);
  });
  return JSON.stringify(Object.fromEntries(metadata));
}

function goOn(context: EvsContext, from: { line: number; idPrefix?: string }): string {
  if (from.idPrefix !== undefined) {
    return "the same command again: what is stored is not stored twice";
  }
  const words: string[] = [];
  for (let i = 0; i < context.argv.length; i++) {
    const word = context.argv[i] ?? "";
    if (word === "--skip") i++;
    else if (!word.startsWith("--skip=")) words.push(word);
  }
  return typedAgain(words, from.line === 0 ? undefined : `--skip ${from.line}`);
}
