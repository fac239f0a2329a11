/**
 * `evs consume`: runs a command for each event of a subscription; its exit code decides what
 * happens to the event.
 */
import { defined } from "../core/base/defined.ts";
import { showCommand } from "./consumer/exit_code.ts";
import type { SubscriptionInfo, SubscriptionRequest } from "../core/protocol/protocol.ts";
import type { PausedBy } from "../core/event/subscription_settings.ts";
import { type BreakerSpec, parseBreaker } from "../core/event/breaker.ts";
import { parseDuration } from "../core/base/units.ts";
import { parseRate, type Rate } from "../core/base/rate.ts";
import { InvalidArgumentError } from "../core/base/errors.ts";
import { parseBackoff } from "../core/event/backoff.ts";
import type { BackoffSpec } from "../core/event/backoff.ts";
import { consumeSummary, deadNotice, exitCode, pausedNotice } from "./consumer/result.ts";
import type { ConsumerResult } from "../core/client/consumer/options.ts";
import type { OutputReader } from "./consumer/output_reader.ts";
import type { EvsContext } from "./cli/context.ts";
import { anyWord, count, plainText, positive, textFlag, verb } from "./cli/define.ts";
import type { TypedCommandParameters } from "@stricli/core";
import { selectionFlags } from "./reading/flags.ts";
import { escapeJson } from "./terminal/escape.ts";
import { shellQuote } from "../core/base/shell_quote.ts";
import type { StdinForm } from "./consumer/input.ts";
import { passSignals } from "./terminal/signals.ts";
import { typedOffset } from "./terminal/local_time.ts";

/** The flags of `evs consume`. */
export type ConsumeFlags = {
  name: string;
  from?: string;
  type?: readonly string[];
  where?: string;
  concurrency: number;
  batch?: number;
  rate?: Rate;
  timeout?: number;
  maxRetries?: number;
  maxDeliveries?: number;
  backoff?: BackoffSpec;
  breaker?: BreakerSpec | "off";
  stdin?: StdinForm;
  untilEmpty: boolean;
  max?: number;
  update: boolean;
  resume?: boolean;
};

/** Those of them that belong to the subscription. */
export type SubscriptionFlags = Pick<
  ConsumeFlags,
  | "from"
  | "type"
  | "where"
  | "maxRetries"
  | "maxDeliveries"
  | "backoff"
  | "breaker"
  | "update"
  | "resume"
>;

/** Its flags and arguments; `evs service` takes them, too. */
export const consumeParameters = {
  flags: {
    name: { kind: "parsed", parse: plainText, brief: "The subscription", placeholder: "NAME" },
    from: {
      kind: "parsed",
      parse: typedOffset,
      brief: "Where a new subscription starts: start (default), end, a seq, -N, @time",
      placeholder: "OFFSET",
      optional: true,
    },
    type: selectionFlags.type,
    where: textFlag("Only events that match this CEL expression", "EXPRESSION"),
    concurrency: {
      kind: "parsed",
      parse: positive,
      brief: "How many commands to run concurrently",
      placeholder: "N",
      default: "1",
    },
    batch: {
      kind: "parsed",
      parse: positive,
      brief: "Pass up to N events to one command, one per line",
      placeholder: "N",
      optional: true,
    },
    rate: {
      kind: "parsed",
      parse: (input) => parseRate(input, "--rate"),
      brief:
        "Start at most this many events per s, m or h, such as 10/s or 100/m; default no limit",
      placeholder: "N/s",
      optional: true,
    },
    timeout: {
      kind: "parsed",
      parse: (input) => parseDuration(input, "--timeout"),
      brief: "Stop a command that runs longer (SIGTERM, SIGKILL 5 s later) and retry",
      placeholder: "DURATION",
      optional: true,
    },
    maxRetries: {
      kind: "parsed",
      parse: count,
      brief: "Retries after the first attempt; default 3",
      placeholder: "N",
      optional: true,
    },
    maxDeliveries: {
      kind: "parsed",
      parse: positive,
      brief: "Unanswered deliveries before an event becomes a dead letter; default 10",
      placeholder: "N",
      optional: true,
    },
    backoff: {
      kind: "parsed",
      parse: parseBackoff,
      brief:
        "Waits between attempts: fixed:D, linear:D..D, exp:D..D, with ,jitter; default exp:1s..5m,jitter",
      placeholder: "BACKOFF",
      optional: true,
    },
    breaker: {
      kind: "parsed",
      parse: (input) => parseBreaker(input) ?? "off",
      brief:
        "Pause when this share of the last attempts failed: PERCENT%/ATTEMPTS, or off; default off",
      placeholder: "BREAKER",
      optional: true,
    },
    stdin: {
      kind: "enum",
      values: ["payload", "event", "text"],
      brief: "What the command reads on stdin; default payload, with --batch event",
      optional: true,
    },
    untilEmpty: {
      kind: "boolean",
      brief: "Exit when nothing is pending, including scheduled retries",
      default: false,
    },
    max: {
      kind: "parsed",
      parse: positive,
      brief: "Exit after this many attempts",
      placeholder: "N",
      optional: true,
    },
    update: {
      kind: "boolean",
      brief: "Apply these settings to an existing subscription",
      default: false,
    },
    resume: {
      kind: "boolean",
      brief: "Resume after a pause by a breaker or a command that cannot run; the default",
      withNegated: true,
      optional: true,
    },
  },
  positional: {
    kind: "array",
    parameter: {
      parse: anyWord,
      brief: "A topic or a pattern, then the command",
      placeholder: "TOPIC",
    },
    minimum: 1,
  },
} satisfies TypedCommandParameters<ConsumeFlags, [string, ...string[]], EvsContext>;

export const route = verb<ConsumeFlags, [string, ...string[]]>({
  brief: "Run a command for each event",
  description:
    `Runs COMMAND, without a shell, once for each event of TOPIC (or of a pattern), and remembers its position under NAME.
The event's payload is on its stdin, as JSON on one line; with --stdin text, a string is its text. EVS_TOPIC, EVS_TYPE, EVS_ID, EVS_SEQ, EVS_ATTEMPT, EVS_DELIVERY, EVS_SUBSCRIPTION (and EVS_EPOCH, where nodes share it), EVS_CORRELATION_ID and EVS_KEY are in its environment, and what it publishes with evs publish names the event as its cause. If the event belongs to a trace (traceparent in its metadata), TRACEPARENT and TRACESTATE continue it with an id of this run, and what the handler publishes belongs to it, too.
Its exit code decides what happens to the event:
  0          done
  75         retry later
  65         dead letter at once
  126, 127   the command cannot be run: the subscription pauses, and the event is not to blame
  any other  retry later; dead letter once --max-retries are used up
With --stdin text, what was published with --binary is its bytes and nothing else, and any other payload ends with a line feed.
With --batch it runs once for up to N events, with one whole event per line on its stdin. It may answer each with a line on stdout, {"id":"…","outcome":"ack|retry|dead","reason":"…"}; its exit code applies to the others.
Events with the same key are delivered one at a time, in order, even across retries.
With --rate the starts of this process are spread evenly, retries included; an event that waits for its turn stays in the daemon, where another consumer can take it. With --batch each run takes what is there, and the next one waits until the rate has caught up.
If the subscription was paused by hand, consume says so and waits until it is resumed or the pause ends; with --until-empty it exits with 1. A pause by a breaker, or by a command that cannot be run, ends with this start unless --no-resume is given.
It waits for a topic that does not exist yet. Settings belong to the subscription: starting with different ones prints a notice, and --update applies them.
If nobody reads its stdout any more, as with | head -1, a failing command does not count: its event is returned, and consume exits with 0.
Exits with 0, also when SIGTERM stops it and it has returned its events; with 6 if it created dead letters; with 1 if it ended while paused.`,
  examples: [
    ["consume users --name mailer -- ./send-mail.sh", "run a script for each event, continuously"],
    [
      "consume users --name check --until-empty --max-retries 2 --backoff fixed:100ms -- jq -e .email",
      "process what is there, then exit",
    ],
    [
      "consume 'orders.**' --name billing --concurrency 4 --timeout 30s --stdin event -- ./bill",
      "four at a time, each with 30 seconds, whole events",
    ],
    ["consume logs --name index --batch 500 -- ./bulk-index", "up to 500 events per run"],
    ["consume users --name sms --rate 10/s -- ./send-sms.sh", "at most ten events per second"],
    [
      "consume logs --name notices --stdin text -- ./send-mail.sh",
      "strings as text, as published with --text or --lines",
    ],
  ],
  usage: ["TOPIC --name NAME [--concurrency N] [--timeout DURATION] [--until-empty] … -- COMMAND…"],
  parameters: consumeParameters,
  run: consume,
});

/** Everything after `--` belongs to the command: a forgotten topic must not be taken from there. */
export function assertTopicBefore(
  argv: readonly string[],
  { name, command }: { name: string; command: readonly string[] },
): void {
  const behind = argv.includes("--") ? argv.slice(argv.indexOf("--") + 1) : [];
  if (behind.length <= command.length) return;
  throw new InvalidArgumentError("TOPIC is missing", {
    code: "argument/usage",
    hint: `evs consume TOPIC --name ${name} -- ${behind.map(shellQuote).join(" ")}`,
  });
}

async function consume(
  this: EvsContext,
  flags: ConsumeFlags,
  topic: string,
  ...command: string[]
): Promise<void> {
  assertTopicBefore(this.argv, { name: flags.name, command });
  if (command.length === 0) {
    throw new InvalidArgumentError("no command to run for each event", {
      hint: `evs consume ${shellQuote(topic)} --name ${flags.name} -- COMMAND`,
    });
  }
  const client = await this.client();
  const info = await client.putSubscription(flags.name, requestedSubscription(topic, flags));
  for (const line of noticesFor(info, flags)) this.say(line);

  const { Consumer } = await import("../core/client/consumer/consumer.ts");
  const { openPort } = await import("../core/client/open_consumer_port.ts");
  const { startEach, startBatch } = await import("./consumer/start.ts");
  const { HandlerGuard, HANDLER_LINGER_MS } = await import("./consumer/handler_guard.ts");
  const { newSpanId } = await import("./consumer/trace_env.ts");
  const guard = HandlerGuard.begin(this.clock);
  const consumer: InstanceType<typeof Consumer> = new Consumer({
    port: openPort({
      socket: this.address({ watch: false }),
      subscription: flags.name,
      command: showCommand(command),
      clock: this.clock,
      say: (line) => this.say(line),
    }),
    start: (flags.batch === undefined ? startEach : startBatch)({
      command,
      subscription: flags.name,
      stdin: flags.stdin ?? (flags.batch === undefined ? "payload" : "event"),
      timeoutMs: flags.timeout || undefined, // 0 means no timeout
      // Whichever context becomes the current one meanwhile: handlers stay with this daemon.
      environment: { ...Deno.env.toObject(), EVS_CONTEXT: this.contextUsed?.name ?? "none" },
      reader: await outputReader(this, () => consumer.stopOnce("SIGPIPE")),
      stderr: (chunk) => this.stderr.write(chunk),
      say: (line) => this.say(line),
      guard,
      clock: this.clock,
      newSpanId,
    }),
    lingerMs: HANDLER_LINGER_MS,
    say: (line) => this.say(line),
    concurrency: flags.concurrency,
    batch: flags.batch,
    rate: flags.rate,
    untilEmpty: flags.untilEmpty,
    waitsFor: pausesWaitedFor(flags),
    max: flags.max,
    clock: this.clock,
  });
  const stopPassing = passSignals((signal) => consumer.stop(signal));
  try {
    tellResult(this, { name: flags.name, result: await consumer.run() });
  } finally {
    await guard.close();
    stopPassing();
  }
}

function tellResult(
  context: EvsContext,
  { name, result }: { name: string; result: ConsumerResult },
): void {
  // stdout belongs to the handlers.
  if (context.json) context.stderr.writeSync(`${escapeJson(JSON.stringify(result))}\n`);
  else context.say(consumeSummary(result));
  if (result.dead > 0 && !context.json) context.say(deadNotice(name));
  if (result.paused !== undefined) context.say(pausedNotice(name, result));
  context.exitCode = exitCode(result);
}

/**
 * Watches the reader of the handlers' output; `stop` returns events in flight once there is no
 * reader.
 */
async function outputReader(context: EvsContext, stop: () => void): Promise<OutputReader> {
  const { OutputReader } = await import("./consumer/output_reader.ts");
  const { isReaderGone } = await import("./terminal/reader_gone.ts");
  return new OutputReader({
    write: (chunk) => context.stdout.write(chunk),
    isGone: isReaderGone,
    onGone() {
      context.say("nobody reads the output any more: events in hand go back, uncounted");
      stop();
    },
  });
}

/**
 * The requested subscription: only the settings that were given, so that the others stay unchanged.
 */
export function requestedSubscription(
  topic: string,
  flags: SubscriptionFlags,
): SubscriptionRequest {
  return {
    topic,
    ...defined({ from: flags.from }),
    settings: defined({
      maxRetries: flags.maxRetries,
      maxDeliveries: flags.maxDeliveries,
      backoff: flags.backoff,
      eventTypes: flags.type && [...flags.type],
      where: flags.where,
      breaker: flags.breaker === "off" ? null : flags.breaker,
    }),
    update: flags.update,
    resume: flags.resume !== false,
  };
}

/**
 * Which pauses to wait for: manual ones by default, all with `--no-resume`, none with
 * `--until-empty`.
 */
function pausesWaitedFor({ untilEmpty, resume = true }: ConsumeFlags): PausedBy[] {
  if (untilEmpty) return [];
  return resume ? ["person"] : ["person", "breaker", "command"];
}

/** The flag that sets each setting. */
export const flagOfSetting: Readonly<Record<string, string>> = {
  maxRetries: "--max-retries",
  maxDeliveries: "--max-deliveries",
  backoff: "--backoff",
  eventTypes: "--type",
  where: "--where",
  breaker: "--breaker",
};

/** What the user must know about a subscription that already existed. */
export function noticesFor(info: SubscriptionInfo, flags: Pick<ConsumeFlags, "from">): string[] {
  const notices: string[] = [];
  const { name, differs = [], created = false } = info;
  if (differs.length > 0) {
    const names = differs.map((setting) => flagOfSetting[setting] ?? setting).join(", ");
    notices.push(
      `subscription ${name} has other settings than asked for (${names}); they stay as they are: take yours over with --update`,
    );
  }
  if (flags.from !== undefined && !created) {
    notices.push(
      `subscription ${name} already exists, so --from does nothing: move it with evs subscription seek ${name} ${flags.from}`,
    );
  }
  if (created && info.cursors.length === 0) {
    notices.push(`topic ${info.topic} is not there yet; its events will be consumed when it is`);
  }
  return notices;
}
