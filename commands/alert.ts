/** `evs alert`: runs a command when a condition begins and when it ends. */
import type { TypedCommandParameters } from "@stricli/core";
import { compilePattern } from "../core/event/topic_options.ts";
import { ExitCode, InvalidArgumentError } from "../core/base/errors.ts";
import { parseDuration } from "../core/base/units.ts";
import { Client } from "../core/client/client.ts";
import { DaemonAddress } from "../core/client/daemon_address.ts";
import {
  type Limit,
  type Measure,
  MEASURES,
  parseLimit,
  type WatchedLimits,
} from "./alerting/limit.ts";
import type { Notice } from "./alerting/notice.ts";
import type { AlertWatch, AlertWatchOptions } from "./alerting/watch.ts";
import type { EvsContext } from "./cli/context.ts";
import { anyWord, verb } from "./cli/define.ts";
import { escapeLines, escapeText } from "./terminal/escape.ts";
import { formatLocalTime } from "./terminal/local_time.ts";
import { passSignals, signalCode } from "./terminal/signals.ts";

/** The flags of `evs alert`. */
export type AlertFlags =
  & {
    [measure in Exclude<Measure, "down">]?: Limit;
  }
  & {
    down?: Limit | "off";
    subscription?: string;
    for: number;
    every: number;
    timeout: number;
    name: string;
    once: boolean;
  };

/** Looks more often than this are not for a shell, ms. */
const LEAST_EVERY_MS = 100;
/** The longest that `--once` waits for a daemon that does not answer, ms. */
const LONGEST_WAIT_MS = 30_000;

/** A flag with a limit. */
function limitFlag(measure: Measure, brief: string, placeholder: string) {
  return {
    kind: "parsed",
    parse: (text: string) => parseLimit(measure, text),
    brief,
    placeholder,
    optional: true,
  } as const;
}

/** Its flags and arguments; `evs service` takes them, too. */
export const alertParameters = {
  flags: {
    dlq: limitFlag("dlq", "Dead letters of a subscription, of open groups: '>0'", "'>N'"),
    lag: limitFlag("lag", "Events that it has not settled, with its retries: '>1000'", "'>N'"),
    age: limitFlag("age", "Age of its oldest event, pending or in flight: '>5m'", "'>D'"),
    leased: limitFlag("leased", "How long a consumer has held an event of it: '>10m'", "'>D'"),
    refused: limitFlag("refused", "Events refused in the last five minutes: '>0'", "'>N'"),
    disk: limitFlag("disk", "Free on the disk of the data dir: '<10%', '<5GiB'", "'<ROOM'"),
    nodes: limitFlag("nodes", "Nodes of the daemon's database that are there: '<3'", "'<N'"),
    snapshot: limitFlag("snapshot", "How long a transaction there is open: '>10m'", "'>D'"),
    degraded: limitFlag("degraded", "How long the daemon's health is degraded: '>1m'", "'>D'"),
    down: {
      kind: "parsed",
      parse: (text) => text === "off" ? "off" : parseLimit("down", text),
      brief: "How long the daemon has not answered, or off; default '>10s'",
      placeholder: "'>D'",
      optional: true,
    },
    subscription: {
      kind: "parsed",
      parse: checkedPattern,
      brief: "Only this subscription, or those of a pattern such as 'billing.*'",
      placeholder: "PATTERN",
      optional: true,
    },
    for: {
      kind: "parsed",
      parse: (text) => parseDuration(text, "--for"),
      brief: "How long a condition must hold before it begins",
      placeholder: "DURATION",
      default: "0",
    },
    every: {
      kind: "parsed",
      parse: parseEvery,
      brief: "How often to look",
      placeholder: "DURATION",
      default: "5s",
    },
    timeout: {
      kind: "parsed",
      parse: (text) => parseDuration(text, "--timeout"),
      brief: "Stop a command that runs longer (SIGTERM, SIGKILL 5 s later), and retry; 0: never",
      placeholder: "DURATION",
      default: "1m",
    },
    name: {
      kind: "parsed",
      parse: parseAlertName,
      brief: "What it is remembered by, where there are several",
      placeholder: "NAME",
      default: "main",
    },
    once: {
      kind: "boolean",
      brief: "Look once, tell what began or ended since the last run, and exit: for cron",
      default: false,
    },
  },
  positional: {
    kind: "array",
    parameter: {
      parse: anyWord,
      brief: "The command and its arguments",
      placeholder: "COMMAND",
    },
  },
} satisfies TypedCommandParameters<AlertFlags, string[], EvsContext>;

export const route = verb<AlertFlags, string[]>({
  brief: "Run a command when a condition begins and ends",
  description:
    `Looks at the daemon every 5 seconds, and runs COMMAND, without a shell, once when a condition begins and once when it ends. Each subscription has conditions of its own; --refused, --disk, --degraded and --down are about the daemon, --nodes and --snapshot about the database that it shares with others. A daemon that does not answer ends no condition: that is --down, which is on with '>10s' unless it is off.
The facts are on COMMAND's stdin, as JSON on one line, and in its environment: EVS_ALERT (dlq, lag, age, leased, refused, disk, nodes, snapshot, degraded or down), EVS_ALERT_STATE (begin or end), EVS_ALERT_SUBSCRIPTION, EVS_ALERT_VALUE, EVS_ALERT_LIMIT, EVS_ALERT_SINCE, EVS_ALERT_MESSAGE, EVS_ALERT_HINT, EVS_ALERT_HOST, EVS_ALERT_NAME, EVS_ALERT_ATTEMPT, and EVS_ALERT_ID, which is the same for a begin and its end. What it prints goes to stderr.
A COMMAND that fails or runs longer than --timeout is run again, at most 5 minutes later, until it succeeds; those of one condition one after another, others at the same time, up to four.
What was told is remembered in a file below $XDG_STATE_HOME (~/.local/state), so that nothing is told again after a restart, and an end is told whenever it comes. Two that watch the same daemon need a --name each.
Limits are in quotes, because > and < are the shell's.
With --once it exits with 0 if COMMAND succeeded or there was nothing to tell, 6 if it failed (the next run tells it), 3 if another one of this name runs.`,
  examples: [
    ["alert --dlq '>0' --age '>5m' --disk '<10%' -- ./tell.sh", "runs until it is stopped"],
    ["alert --once --lag '>1000' --for 5m -- ./tell.sh", "each minute, by cron"],
    [
      "alert --dlq '>0' --subscription mailer --name mail --json -- ./tell.sh",
      "one subscription, beside the first",
    ],
  ],
  usage: [
    "[--dlq '>N'] [--lag '>N'] [--age '>D'] [--leased '>D'] [--refused '>N'] [--disk '<ROOM'] [--down '>D'|off] [--subscription PATTERN] [--for D] … -- COMMAND…",
  ],
  parameters: alertParameters,
  needsDaemon: false,
  run: alert,
});

function checkedPattern(text: string): string {
  compilePattern(text);
  return text;
}

function parseEvery(text: string): number {
  const ms = parseDuration(text, "--every");
  if (ms >= LEAST_EVERY_MS) return ms;
  throw new SyntaxError("100ms or more is needed");
}

/** What names an `evs alert`, and a part of its file and its unit. Throws `SyntaxError`. */
export function parseAlertName(text: string): string {
  if (/^[A-Za-z0-9_][A-Za-z0-9._-]{0,63}$/.test(text)) return text;
  throw new SyntaxError("a name is 1 to 64 of A-Z a-z 0-9 . _ -, and begins with none of . and -");
}

/** The limits of a command line. Throws `InvalidArgumentError` if nothing would be watched. */
export function limitsOf(flags: AlertFlags): WatchedLimits {
  const { down = parseLimit("down", ">10s") } = flags;
  const limits: WatchedLimits = {};
  for (const measure of MEASURES) {
    const limit = measure === "down" ? down : flags[measure];
    if (limit !== undefined && limit !== "off") limits[measure] = limit;
  }
  if (Object.keys(limits).length > 0) return limits;
  throw new InvalidArgumentError("no condition to watch", {
    code: "argument/usage",
    hint: "evs alert --dlq '>0' -- COMMAND",
  });
}

/** Throws `InvalidArgumentError` if there is no command. */
export function assertAlertCommand(command: readonly string[]): void {
  if (command.length > 0) return;
  throw new InvalidArgumentError("no command to run when a condition begins and ends", {
    code: "argument/usage",
    hint: "evs alert --dlq '>0' -- COMMAND",
  });
}

async function alert(this: EvsContext, flags: AlertFlags, ...command: string[]): Promise<void> {
  assertAlertCommand(command);
  const limits = limitsOf(flags);
  const { AlertState, alertStateFile, shortHash } = await import("./alerting/state_file.ts");
  const watching = await import("./alerting/watch.ts");
  const { HandlerGuard } = await import("./consumer/handler_guard.ts");
  const { name, once, subscription } = flags;
  using state = AlertState.open(await alertStateFile(name, this), name);
  const guard = new HandlerGuard({ clock: this.clock });
  using client = new Client({ socket: addressFor(this, { once, down: limits.down }) });
  const output = (chunk: Uint8Array) => this.stderr.write(chunk);
  const options: AlertWatchOptions = {
    client,
    paths: this.paths,
    state,
    rules: {
      limits,
      forMs: flags.for,
      isWatched: subscription === undefined ? () => true : compilePattern(subscription),
      endsUnwatched: !once,
      newId: () => crypto.randomUUID(),
    },
    subscription,
    name,
    host: Deno.hostname(),
    holder: await shortHash(`${Deno.hostname()} ${state.path}`),
    everyMs: flags.every,
    isOnce: once,
    command,
    // Whichever context becomes the current one meanwhile: commands stay with this daemon.
    environment: { ...Deno.env.toObject(), EVS_CONTEXT: this.contextUsed?.name ?? "none" },
    timeoutMs: flags.timeout || undefined, // 0 means no timeout
    retries: !once,
    output,
    // Whatever goes wrong here is a reason to look, with --quiet too.
    say: (text) => this.stderr.writeSync(`evs: ${escapeLines(text)}\n`),
    onChange: (facts) => print(this, facts),
    guard,
    clock: this.clock,
  };
  const watch = new watching.AlertWatch(options);
  let signalled: Deno.Signal | undefined;
  const stopPassing = passSignals((signal) => {
    signalled ??= signal;
    watch.stop();
  });
  try {
    if (once) this.exitCode = onceCode(await watch.once(), limits);
    else await watch.run();
    if (signalled !== undefined && signalled !== "SIGTERM") this.exitCode = signalCode(signalled);
  } finally {
    stopPassing();
    await guard.close();
  }
}

/** With `--once`, a daemon is waited for as long as it may be silent: there is no second look. */
function addressFor(
  { paths, clock }: EvsContext,
  { once, down }: { once: boolean; down: Limit | undefined },
): DaemonAddress {
  const waitMs = once ? Math.min(down?.value ?? 0, LONGEST_WAIT_MS) : 0;
  return new DaemonAddress({ paths, clock, waitMs, watch: true });
}

/** The exit code of one look. Throws if nothing could be seen, and nobody is told of that. */
function onceCode(
  { untold, isSaved, silent }: Awaited<ReturnType<AlertWatch["once"]>>,
  { down }: WatchedLimits,
): number {
  if (silent !== undefined && down === undefined) throw silent;
  if (!isSaved) return ExitCode.CannotStore;
  return untold > 0 ? ExitCode.Partly : ExitCode.Ok;
}

/** A line for each begin and end. */
function print(context: EvsContext, facts: Notice): void {
  if (!context.forPeople) return context.printJson(facts);
  const { state, alert, subscription, message, at } = facts;
  const { red, green } = context.paint;
  const shown = state === "begin" ? red("begin") : green("end");
  const what = subscription === undefined ? alert : `${alert} ${subscription}`;
  context.print(`${formatLocalTime(at)} ${shown} ${escapeText(`${what}: ${message}`)}`);
}
