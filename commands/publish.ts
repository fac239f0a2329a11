/** `evs publish`: publishes one event or a stream of them. */
import type { PublishQuery } from "../core/protocol/protocol.ts";
import { InvalidArgumentError } from "../core/base/errors.ts";
import { parseDuration } from "../core/base/units.ts";
import type { EvsContext } from "./cli/context.ts";
import { count, plainText, textFlag, verb } from "./cli/define.ts";
import { load } from "./cli/lazy.ts";
import { payloadBytes, textBytes } from "./publisher/payload.ts";
import {
  checkFlags,
  expectation,
  isStream,
  keySeqExpectation,
  type PublishFlags,
  timeToLive,
} from "./publisher/flags.ts";
import { formatReceipt, told } from "./publisher/receipt.ts";
import type { PublishStreamOptions } from "./publisher/stream.ts";
import { typedAgain } from "../core/base/shell_quote.ts";

export const route = verb<PublishFlags, [topic?: string, type?: string, payload?: string]>({
  brief: "Publish events to a topic",
  description:
    "Publishes one event and returns once it is stored, or publishes a stream of events from standard input.\n" +
    "PAYLOAD is JSON, @FILE, or - for standard input. In a pipe it prints one line of JSON with what was stored.\n" +
    "With --text, PAYLOAD is the text itself, or - for standard input, and is stored as a JSON string; with --lines, each line is one. " +
    "Only a line feed ends a line, and an empty line is an empty text. Text that is not UTF-8 is refused by its line, unless --binary " +
    "stores all payloads as base64, with contentEncoding and contentMediaType in the metadata. " +
    "Print text with --raw or --format, and pass it to handlers with consume --stdin text.\n" +
    "In a handler of evs consume, the metadata names the event being handled as the cause: its id as causationId, and its correlationId, or else its id, as correlationId. What --meta says comes first; CloudEvents say it themselves.\n" +
    "A trace that the environment has (TRACEPARENT and TRACESTATE of W3C Trace Context) goes into the metadata in the same way, as traceparent and tracestate.\n" +
    "With --cloudevents, the argument, @FILE or standard input is a CloudEvent in JSON, a batch of them (an array, stored as a whole), " +
    "or one per line. Their ids, types, times and subjects become those of the events, and everything else is kept. " +
    "--key and --key-pointer are for events without a subject.\n" +
    "With --atomic, standard input has events for any topics, one per line or in an array, and all of them are stored or none: " +
    "objects with topic, type and payload, and id, key, schemaVersion, metadata, ttlMs and expected where they are needed " +
    '(a seq, "none", "exists" or "any" of the key, else of the topic, or {"topic":…,"key":…,"keySeq":…}). What tail prints is such a line.\n' +
    "With --delay or --at the event is kept and published when it is due, also if the daemon is restarted meanwhile; " +
    "one that was due while no daemon ran is published when one starts. Its payload is checked now. " +
    "evs scheduled lists and cancels what waits. A TIME without a zone is local; one that has passed means now.\n" +
    "With --spool, what no daemon answers for is kept in the data dir, with its id: the next daemon stores it once, in order, and " +
    "judges it then; evs spool lists it. --expect, --expect-key-seq, --delay, --at and --cloudevents do not go with it.\n" +
    "An event with a key gets a keySeq: its number among those of the key in the topic, from 1; none is used twice. " +
    "--expect-key-seq 3 stores the event only if the key's last one is its third; 0 means the first.\n" +
    "With --ttl the event is not delivered after this long: a subscription that comes to it later skips and counts it, and does not retry it. " +
    "It stays in the topic, for tail and replay. With --delay or --at, --ttl counts from when the event is due.\n" +
    "With --quiet it prints nothing.",
  usage: [
    "TOPIC TYPE PAYLOAD [--key TEXT | --key-pointer POINTER] [--meta NAME=VALUE]... [--id ID] [--schema-version VERSION] [--expect SEQ|none|exists|any | --expect-key-seq N] [--delay DURATION | --at TIME | --spool] [--ttl DURATION]",
    "TOPIC TYPE TEXT --text [--binary] [--key TEXT] [the same]",
    "TOPIC TYPE --ndjson [--key TEXT | --key-pointer POINTER] [--meta NAME=VALUE]... [--id-prefix PREFIX] [--ttl DURATION] [--on-error stop|skip] [--skip N] [--spool]",
    "TOPIC TYPE --lines [--binary] [--key TEXT] [--meta NAME=VALUE]... [--id-prefix PREFIX] [--ttl DURATION] [--on-error stop|skip] [--skip N] [--spool]",
    "TOPIC --envelope [--ttl DURATION] [--on-error stop|skip] [--skip N] [--spool]",
    "TOPIC [EVENT] --cloudevents [--key TEXT | --key-pointer POINTER] [--schema-version VERSION] [--ttl DURATION] [--on-error stop|skip] [--skip N]",
    "--atomic",
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
    [`publish notes note.added 'Call "Ada" back' --text`, "A text, without quoting it as JSON."],
    ["publish logs line --lines <app.log", "A text per line."],
    [
      "replay users | evs publish copy --envelope",
      "Events as printed by tail and replay, with their ids.",
    ],
    [
      "publish shop --cloudevents <events.json",
      "CloudEvents: one, a batch, or one per line.",
    ],
    ["publish --atomic <transfer.ndjson", "Events for several topics: all of them or none."],
    [
      "publish orders order.paid '{}' --key o1 --expect 7",
      "Only if 7 is still the key's last seq.",
    ],
    [
      "publish orders order.placed '{}' --key o2 --expect-key-seq 0",
      "Only if it is the first event of its key.",
    ],
    [
      `publish carts cart.reminder '{"cart":"c1"}' --id remind-c1 --delay 30m`,
      "In half an hour, unless evs scheduled cancel remind-c1 comes first.",
    ],
    ["publish shop sale.started {} --at 2031-12-01T08:00", "At eight in the morning here."],
    [
      "publish log line --ndjson --spool <log.ndjson",
      "Kept for the next daemon while none answers.",
    ],
    [
      `publish logins code.sent '{"code":"4711"}' --ttl 5m`,
      "Nobody gets it after five minutes.",
    ],
  ],
  parameters: {
    flags: {
      text: {
        kind: "boolean",
        brief: "PAYLOAD, or standard input, is text: stored as a JSON string",
        optional: true,
      },
      ndjson: { kind: "boolean", brief: "Standard input has one payload per line", optional: true },
      lines: { kind: "boolean", brief: "Standard input has one text per line", optional: true },
      binary: {
        kind: "boolean",
        brief: "With --text or --lines: any bytes, stored as base64",
        optional: true,
      },
      envelope: {
        kind: "boolean",
        brief: "Standard input has one event per line, as printed by tail",
        optional: true,
      },
      cloudevents: {
        kind: "boolean",
        brief: "EVENT, or standard input, is CloudEvents in JSON",
        optional: true,
      },
      atomic: {
        kind: "boolean",
        brief: "Standard input has events for any topics: all are stored or none",
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
      expectKeySeq: {
        kind: "parsed",
        parse: keySeqExpectation,
        brief: "Store only if N is the keySeq of the key's last event; 0 for none",
        placeholder: "N",
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
      delay: {
        kind: "parsed",
        parse: (input) => parseDuration(input, "--delay"),
        brief: "Publish it after this long, such as 10m",
        placeholder: "DURATION",
        optional: true,
      },
      at: {
        kind: "parsed",
        parse: async (input) => (await loadLater()).timeOf(input),
        brief: "Publish it at this time, such as 2031-12-01T08:00",
        placeholder: "TIME",
        optional: true,
      },
      spool: {
        kind: "boolean",
        brief: "While no daemon answers, keep it for the next one",
        optional: true,
      },
      ttl: {
        kind: "parsed",
        parse: timeToLive,
        brief: "Do not deliver it after this long, such as 1h",
        placeholder: "DURATION",
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
          optional: true,
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
    if (flags.atomic) {
      const { publishAtomic } = await load<typeof import("./publisher/atomic.ts")>(
        "./publisher/atomic.ts",
      );
      return await publishAtomic(this, { flags, words: [topic, type, payload] });
    }
    if (topic === undefined) throw topicMissing();
    checkFlags(flags, { type, payload });
    const query: PublishQuery = {
      type: flags.cloudevents ? undefined : type,
      key: flags.key,
      keyPointer: flags.keyPointer,
      schemaVersion: flags.schemaVersion,
      metadata: await metadataOf(this, flags),
      ttlMs: flags.ttl,
    };
    if (!isStream(flags)) {
      return await publishOne(this, topic, {
        payload: payload ?? "",
        query: {
          ...query,
          id: await idOf(this, flags),
          expected: flags.expect,
          expectedKeySeq: flags.expectKeySeq,
          ...await scheduleOf(flags),
        },
        flags,
      });
    }
    const { onError = "stop", skip = 0 } = flags;
    const idPrefix = flags.idPrefix ?? await newIdFor(this, flags);
    if (flags.cloudevents) {
      const { publishCloudEvents } = await load<typeof import("./publisher/cloud_events.ts")>(
        "./publisher/cloud_events.ts",
      );
      return await publishCloudEvents(this, {
        topic,
        query: { ...query, onError },
        skip,
        next: await eventInput(this, type),
        lineFlag: flags.skip !== undefined ? "--skip" : flags.onError && "--on-error",
        goOn: (line) => goOn(this, { line }),
      });
    }
    const { publishStream } = await load<typeof import("./publisher/stream.ts")>(
      "./publisher/stream.ts",
    );
    // What is to be base64 is encoded here; other text as it arrives at the daemon.
    const text = flags.lines && !flags.binary ? "lines" as const : undefined;
    const lines = { topic, query: { ...query, idPrefix, onError, text } };
    await publishStream(this, {
      ...lines,
      contentType: text && "text/plain; charset=utf-8",
      spool: flags.spool ? (await loadSpool()).lineSpooler(this, lines) : undefined,
      skip,
      ...await inputOf(this, flags),
      goOn: (line) => goOn(this, { line, idPrefix: flags.idPrefix }),
    });
  },
});

function topicMissing(): InvalidArgumentError {
  return new InvalidArgumentError("TOPIC is missing", {
    code: "argument/usage",
    hint: "evs publish --help",
  });
}

/** What is spooled has its id before the first attempt. */
async function idOf(context: EvsContext, flags: PublishFlags): Promise<string | undefined> {
  return flags.id ?? await newIdFor(context, flags);
}

async function newIdFor(
  { clock }: EvsContext,
  { spool }: PublishFlags,
): Promise<string | undefined> {
  return spool ? (await loadSpool()).newEventId(clock.now()) : undefined;
}

function loadSpool(): Promise<typeof import("./publisher/spool.ts")> {
  return load<typeof import("./publisher/spool.ts")>("./publisher/spool.ts");
}

/** When to publish, as the daemon takes it. */
async function scheduleOf(
  { delay, at }: PublishFlags,
): Promise<Pick<PublishQuery, "delayMs" | "at">> {
  if (delay !== undefined) return { delayMs: (await loadLater()).delayOf(delay) };
  return at === undefined ? {} : { at };
}

function loadLater(): Promise<typeof import("./publisher/later.ts")> {
  return load<typeof import("./publisher/later.ts")>("./publisher/later.ts");
}

/** The events of an argument, a file or standard input. */
async function eventInput(
  context: EvsContext,
  event: string = "-",
): Promise<PublishStreamOptions["next"]> {
  const { inputChunks } = await load<typeof import("./publisher/stream.ts")>(
    "./publisher/stream.ts",
  );
  if (event === "-") return inputChunks(context);
  const bytes = await payloadBytes(context, event);
  const chunks = [typeof bytes === "string" ? new TextEncoder().encode(bytes) : bytes];
  return () => Promise.resolve(chunks.shift() ?? null);
}

/** The lines to send, and how to explain that one was refused. */
async function inputOf(
  context: EvsContext,
  { lines, ndjson, binary }: PublishFlags,
): Promise<Pick<PublishStreamOptions, "next" | "explain">> {
  const { inputBytes, inputChunks } = await load<typeof import("./publisher/stream.ts")>(
    "./publisher/stream.ts",
  );
  if (!lines && !ndjson) return { next: inputChunks(context) };
  const { explainJson, explainText } = await loadText();
  if (!lines) return { next: inputChunks(context), explain: explainJson };
  if (binary) {
    const { binaryLines } = await load<typeof import("./publisher/binary_lines.ts")>(
      "./publisher/binary_lines.ts",
    );
    return { next: binaryLines(inputBytes(context)) };
  }
  return { next: inputChunks(context), explain: explainText };
}

function loadText(): Promise<typeof import("./publisher/text_body.ts")> {
  return load<typeof import("./publisher/text_body.ts")>("./publisher/text_body.ts");
}

async function publishOne(
  context: EvsContext,
  topic: string,
  { payload, query, flags }: { payload: string; query: PublishQuery; flags: PublishFlags },
): Promise<void> {
  try {
    const body = flags.text
      ? await textBytes(context, { payload, binary: flags.binary })
      : await payloadBytes(context, payload);
    const client = await context.client();
    const send = () => client.publish(topic, body, { query });
    const reply = flags.spool
      ? await (await loadSpool()).spoolIfAway(context, topic, { body, query, send })
      : await send();
    if (reply === undefined || context.quiet) return;
    if (reply.scheduled !== undefined) {
      const { formatScheduled } = await loadLater();
      const { forPeople, clock } = context;
      const receipt = formatScheduled(topic, { reply, forPeople, now: clock.now() });
      return context.stdout.writeSync(receipt);
    }
    context.stdout.writeSync(formatReceipt(topic, { reply, forPeople: context.forPeople }));
  } catch (error) {
    throw told(error, flags.text || payload.startsWith("@") ? undefined : payload);
  }
}

async function metadataOf(
  context: EvsContext,
  { meta = [], binary, cloudevents }: PublishFlags,
): Promise<string | undefined> {
  const given = Object.fromEntries(meta.map((pair) => {
    const equals = pair.indexOf("=");
    if (equals > 0) return [pair.slice(0, equals), pair.slice(equals + 1)];
    throw new InvalidArgumentError(`--meta takes NAME=VALUE, not ${JSON.stringify(pair)}`);
  }));
  // A CloudEvent says itself what caused it.
  const inherited = cloudevents ? {} : await inheritedMetadata(context);
  const pairs = given["traceparent"] === undefined
    ? { ...inherited, ...given }
    : await withTypedTrace(context, { inherited, given });
  if (binary) return JSON.stringify((await loadText()).binaryMetadata(pairs));
  return Object.keys(pairs).length === 0 ? undefined : JSON.stringify(pairs);
}

/** In a handler, the event that it handles as the cause; and the trace of the environment. */
async function inheritedMetadata(context: EvsContext): Promise<Record<string, string>> {
  const { env } = context;
  if (!env("EVS_SUBSCRIPTION") && !env("TRACEPARENT")) return {};
  const { inheritedMetadata } = await load<typeof import("./publisher/cause.ts")>(
    "./publisher/cause.ts",
  );
  const { metadata, notices } = await inheritedMetadata(env);
  for (const notice of notices) context.say(notice);
  return metadata;
}

async function withTypedTrace(
  context: EvsContext,
  { inherited, given }: Record<"inherited" | "given", Record<string, string>>,
): Promise<Record<string, string>> {
  const { typedTrace } = await load<typeof import("./publisher/trace.ts")>("./publisher/trace.ts");
  const { metadata, notice } = typedTrace(inherited, given);
  if (notice !== undefined) context.say(notice);
  return metadata;
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
