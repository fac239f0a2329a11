/** The flags of `evs publish`: which go together, and what their values mean. */
import { InvalidArgumentError } from "../../core/base/errors.ts";
import { parseDuration } from "../../core/base/units.ts";
import { LONGEST_TTL_MS } from "../../core/event/limits.ts";

/** The flags of `evs publish`. */
export interface PublishFlags {
  text?: boolean;
  ndjson?: boolean;
  lines?: boolean;
  binary?: boolean;
  envelope?: boolean;
  cloudevents?: boolean;
  atomic?: boolean;
  key?: string;
  keyPointer?: string;
  meta?: readonly string[];
  id?: string;
  idPrefix?: string;
  schemaVersion?: string;
  expect?: string;
  expectKeySeq?: number;
  onError?: "stop" | "skip";
  skip?: number;
  /** ms. */
  delay?: number;
  at?: string;
  spool?: boolean;
  /** ms. */
  ttl?: number;
}

/** The value of `--expect`. */
export function expectation(input: string): string {
  if (/^(\d+|none|exists|any)$/.test(input)) return input;
  throw new SyntaxError("a seq, none, exists or any is needed");
}

/** The value of `--expect-key-seq`. */
export function keySeqExpectation(input: string): number {
  if (/^\d{1,15}$/.test(input)) return Number(input);
  throw new SyntaxError("the keySeq of the key's last event is needed, or 0 if it has none");
}

/** The value of `--ttl`, ms. */
export function timeToLive(input: string): number {
  const ms = parseDuration(input, "--ttl");
  if (ms >= 1 && ms <= LONGEST_TTL_MS) return ms;
  throw new InvalidArgumentError(
    `--ttl is from 1ms to ${LONGEST_TTL_MS / 86_400_000}d (a hundred years), not ${input}`,
    { hint: "without --ttl an event never expires" },
  );
}

/** True if the payloads come from standard input, line by line. */
export function isStream({ ndjson, lines, envelope, cloudevents }: PublishFlags): boolean {
  return ndjson === true || lines === true || envelope === true || cloudevents === true;
}

/** Throws for flags and arguments that do not go together. */
export function checkFlags(flags: PublishFlags, given: { type?: string; payload?: string }): void {
  const wrong = (message: string, hint = "evs publish --help") => {
    throw new InvalidArgumentError(message, { code: "argument/usage", hint });
  };
  const [form, other] = (["text", "ndjson", "lines", "envelope", "cloudevents"] as const)
    .filter((name) => flags[name]);
  if (other !== undefined) wrong(`--${form} and --${other} exclude each other`);
  const stream = isStream(flags);
  if (flags.envelope && given.type !== undefined) {
    wrong("--envelope takes no TYPE: each line names its own");
  }
  if (flags.cloudevents) return checkCloudFlags(flags, { ...given, wrong });
  if (!flags.envelope && given.type === undefined) wrong("a TYPE is needed, such as user.created");
  if (stream && given.payload !== undefined) {
    wrong(`a PAYLOAD does not go with --${form}: the payloads come from standard input`);
  }
  if (!stream && given.payload === undefined) {
    wrong(
      flags.text
        ? "a PAYLOAD is needed: the text, or - for standard input"
        : "a PAYLOAD is needed: JSON, @FILE, - for standard input, or --ndjson for a stream",
    );
  }
  if (flags.key !== undefined && flags.keyPointer !== undefined) {
    wrong("--key and --key-pointer exclude each other");
  }
  const isText = flags.text === true || flags.lines === true;
  if (isText && flags.keyPointer !== undefined) {
    wrong(`--key-pointer points into JSON; with --${form} use --key`);
  }
  if (flags.binary && !isText) wrong("--binary goes with --text or --lines");
  if (stream && flags.id !== undefined) wrong("--id names one event; a stream takes --id-prefix");
  const expecting = expectingFlag(flags);
  if (stream && expecting) wrong(`${expecting} goes with one event`);
  if (flags.expect !== undefined && flags.expectKeySeq !== undefined) {
    wrong("--expect and --expect-key-seq exclude each other");
  }
  if (
    flags.expectKeySeq !== undefined && flags.key === undefined && flags.keyPointer === undefined
  ) {
    wrong("--expect-key-seq goes with --key or --key-pointer");
  }
  if (flags.spool) checkSpool(flags, wrong);
  checkLater(flags, stream);
  if (stream) return;
  for (const name of ["idPrefix", "onError", "skip"] as const) {
    const flag = { idPrefix: "--id-prefix", onError: "--on-error", skip: "--skip" }[name];
    if (flags[name] !== undefined) wrong(`${flag} goes with --ndjson, --lines or --envelope`);
  }
}

function checkCloudFlags(
  flags: PublishFlags,
  { payload, wrong }: { payload?: string; wrong: (message: string) => void },
): void {
  if (payload !== undefined) {
    wrong("--cloudevents takes one argument, the EVENT, which names its own type");
  }
  const names = {
    meta: "--meta",
    id: "--id",
    idPrefix: "--id-prefix",
    expect: "--expect",
    expectKeySeq: "--expect-key-seq",
    binary: "--binary",
    delay: "--delay",
    at: "--at",
    spool: "--spool",
  } as const;
  for (const [name, flag] of Object.entries(names)) {
    if (flags[name as keyof typeof names] !== undefined) {
      wrong(`${flag} does not go with --cloudevents`);
    }
  }
  if (flags.key !== undefined && flags.keyPointer !== undefined) {
    wrong("--key and --key-pointer exclude each other");
  }
}

/** The flag that expects something of the key or the topic, if one is given. */
function expectingFlag({ expect, expectKeySeq }: PublishFlags): string | undefined {
  if (expectKeySeq !== undefined) return "--expect-key-seq";
  return expect === undefined ? undefined : "--expect";
}

function checkSpool(flags: PublishFlags, wrong: (message: string) => void): void {
  const { expect, delay, at } = flags;
  if (expect !== "any" && expectingFlag(flags)) {
    const what = expectingFlag(flags);
    wrong(`${what} does not go with --spool: when the event is stored, nobody could be told`);
  }
  const flag = delay !== undefined ? "--delay" : at !== undefined ? "--at" : undefined;
  if (flag !== undefined) wrong(`${flag} does not go with --spool: a schedule needs a daemon`);
}

function checkLater(flags: PublishFlags, stream: boolean): void {
  const { delay, at, expect } = flags;
  if (delay === undefined && at === undefined) return;
  const flag = delay === undefined ? "--at" : "--delay";
  const problem = delay !== undefined && at !== undefined
    ? "--delay and --at exclude each other"
    : stream
    ? `${flag} goes with one event`
    : expect !== "any" && expectingFlag(flags)
    ? `${
      expectingFlag(flags)
    } does not go with ${flag}: when the event is published, nobody could be told`
    : undefined;
  if (problem === undefined) return;
  throw new InvalidArgumentError(problem, { code: "argument/usage", hint: "evs publish --help" });
}
