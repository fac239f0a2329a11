/**
 * `evs publish --ndjson`, `--envelope` and the like, and `evs replay --into`: publishes a stream and reports
 * the result.
 */
import { EventRefusedError, EvsError, ExitCode, type RefusalCode } from "../../core/base/errors.ts";
import type { Connection } from "../../core/client/connection.ts";
import { piecesWithoutMark } from "../cli/byte_order_mark.ts";
import type { EvsContext } from "../cli/context.ts";
import { formatError } from "../cli/report.ts";
import { escapeText } from "../terminal/escape.ts";
import { Progress } from "../terminal/progress.ts";
import { formatCount, plural } from "../terminal/table.ts";
import { passSignals, signalCode } from "../terminal/signals.ts";
import {
  Interrupted,
  type NextChunk,
  type PipelineOptions,
  type PipelineTally,
  type Refusal,
  sendLines,
} from "./pipeline.ts";
import { isAway, Recovery } from "./recovery.ts";

const READ_SIZE = 256 * 1024;

/** What to publish, and where. */
export interface PublishStreamOptions
  extends Pick<PipelineOptions, "topic" | "query" | "skip" | "explain" | "contentType" | "spool"> {
  next: NextChunk;
  /** The command that continues after line `line`. */
  goOn: (line: number) => string;
}

/** Standard input as chunks, exactly as it is. */
export function inputBytes(context: EvsContext): NextChunk {
  const buffer = new Uint8Array(READ_SIZE);
  return async () => {
    const count = await context.stdin.read(buffer);
    return count === null ? null : buffer.subarray(0, count);
  };
}

/** Standard input as chunks, without a byte order mark. */
export function inputChunks(context: EvsContext): NextChunk {
  return piecesWithoutMark(inputBytes(context));
}

/** Publishes the stream, reports the result, and sets the exit code. */
export async function publishStream(
  context: EvsContext,
  options: PublishStreamOptions,
): Promise<void> {
  const { clock } = context;
  let hasEnough = () => false;
  const recovery = new Recovery({
    client: await context.client(),
    topic: options.topic,
    clock,
    // With a spool nothing has to wait, unless somebody asks for it.
    limitMs: options.spool ? context.waitMs : context.reconnectMs,
    interrupted: () => hasEnough(),
    say: (text) => context.say(text),
  });
  const connection = await firstConnection(recovery, options);
  using progress = new Progress({
    output: context.stderr,
    enabled: context.stderr.isTerminal && !context.quiet,
    now: () => clock.monotonic(),
  });
  const hinted = new Set<string | undefined>();
  const interrupt = interruptible(options.next);
  hasEnough = () => interrupt.signal !== undefined;
  const tally = await sendLines(connection, interrupt.next, {
    ...options,
    clock,
    recovery,
    onRefused(refused) {
      // A line that stops the stream is reported at the end, together with what was kept.
      if (options.query.onError !== "skip") return;
      progress.clear();
      // Repeating the same hint a thousand times would bury the errors.
      const hint = refused.advice ?? refused.hint;
      const told = hinted.has(hint) ? undefined : hint;
      hinted.add(hint);
      context.stderr.writeSync(formatError(context, refusedError(refused, { hint: told })));
    },
    onRefusedMore(count) {
      progress.clear();
      context.say(`${plural(count, "more line")} refused`);
    },
    onProgress: (now) =>
      progress.update(() => `${plural(now.count + now.spooled, "event")} to ${options.topic}`),
  });
  interrupt.forget();
  progress.clear();
  streamReceipt(context, options.topic, tally);
  const error = endOf(tally, options);
  if (error !== undefined) throw error;
  if (tally.refused > 0) context.exitCode = ExitCode.Partly;
  if (interrupt.signal === undefined) return;
  context.say(
    `interrupted; the last acknowledged line is ${tally.acknowledgedLine}\n  to go on: ${
      options.goOn(tally.acknowledgedLine)
    }`,
  );
  context.exitCode = signalCode(interrupt.signal);
}

/** Undefined if there is no daemon, and everything goes to the spool. */
async function firstConnection(
  recovery: Recovery,
  { spool }: PublishStreamOptions,
): Promise<Connection | undefined> {
  try {
    return await recovery.begin();
  } catch (error) {
    if (spool && isAway(error)) return undefined;
    throw error;
  }
}

/**
 * Ctrl-C ends the input: what was read is sent, acknowledged and reported. A second one ends at
 * once.
 */
function interruptible(next: NextChunk): {
  next: NextChunk;
  readonly signal: Deno.Signal | undefined;
  forget: () => void;
} {
  let signal: Deno.Signal | undefined;
  let stop = (_reason: Error) => {};
  const forget = passSignals((got) => {
    if (signal !== undefined) Deno.exit(signalCode(got));
    signal = got;
    stop(new Interrupted());
  });
  return {
    forget,
    get signal() {
      return signal;
    },
    // Not a race against one long-lived promise: that would add a reaction with every chunk.
    next: () =>
      new Promise((resolve, reject) => {
        if (signal !== undefined) return reject(new Interrupted());
        stop = reject;
        next().then(resolve, reject);
      }),
  };
}

/** Says what was stored. */
export function streamReceipt(
  context: EvsContext,
  topic: string,
  tally: Omit<PipelineTally, "acknowledgedLine" | "sentLine" | "spooled"> & { spooled?: number },
): void {
  if (context.quiet) return;
  const { count, duplicates, firstSeq, lastSeq, lines, refused, durable, spooled = 0 } = tally;
  if (!context.forPeople) {
    const inSpool = spooled > 0 ? { spooled: true, spooledCount: spooled } : {};
    const stored = { topic, count, duplicates, firstSeq, lastSeq, lines, refused, durable };
    return context.printJson({ ...stored, ...inSpool });
  }
  if (spooled > 0) {
    context.print(
      `Spooled ${plural(spooled, "event")} for ${escapeText(topic)}: ` +
        "no daemon answers, and the next one publishes them",
    );
    if (count + duplicates + refused === 0) return;
  }
  const parts = [`Published ${plural(count, "event")} to ${escapeText(topic)}`];
  if (count > 0) {
    parts.push(firstSeq === lastSeq ? `(seq ${firstSeq})` : `(seq ${firstSeq} to ${lastSeq})`);
  }
  if (duplicates > 0) parts.push(`and found ${plural(duplicates, "duplicate")}`);
  if (refused > 0) parts.push(`; ${plural(refused, "line")} refused`);
  context.print(parts.join(" ").replace(" ;", ";"));
}

/** The error with which it ends early, with what was kept and how to continue. */
function endOf(tally: PipelineTally, options: PublishStreamOptions): EvsError | undefined {
  const { stoppedAt, failure, acknowledgedLine } = tally;
  if (stoppedAt !== undefined) {
    const kept = tally.count + tally.duplicates + tally.spooled;
    return refusedError(stoppedAt, {
      after: `; ${kept === 0 ? "nothing" : plural(kept, "event")} before it was ${
        tally.spooled > 0 ? "kept" : "stored"
      }, nothing behind it`.replace(
        "events before it was",
        "events before it were",
      ),
      hint: `${
        stoppedAt.advice === undefined ? "" : `${stoppedAt.advice}; or `
      }fix line ${stoppedAt.line}, then: ${options.goOn(stoppedAt.line - 1)}`,
      details: { acknowledgedLine, count: tally.count },
    });
  }
  if (failure === undefined) return undefined;
  if (tally.sentLine === options.skip) return failure;
  const unknown = failure.exit === ExitCode.NoDaemon ? tally.sentLine - acknowledgedLine : 0;
  const words = [failure.message, `${plural(acknowledgedLine, "line")} acknowledged`];
  if (unknown > 0) words.push(`of the ${formatCount(unknown)} behind it is unknown`);
  return new EvsError(
    { code: failure.code, status: failure.status, exit: failure.exit },
    words.length === 3
      ? `${words[0]}: ${words[1]}, what became ${words[2]}`
      : `${words[0]}: ${words[1]}`,
    {
      // A wrong name is as wrong when the same is typed again.
      hint: failure.exit === ExitCode.Usage ? failure.hint : options.goOn(acknowledgedLine),
      details: { ...failure.details, acknowledgedLine, sentLine: tally.sentLine },
      cause: failure,
    },
  );
}

function refusedError(
  refused: Refusal,
  more: { after?: string; hint?: string | undefined; details?: Record<string, unknown> },
): EvsError {
  const { line, code, message, details } = refused;
  return new EventRefusedError(
    code as RefusalCode,
    `line ${line}: ${message}${more.after ?? ""}`,
    { hint: more.hint, details: { ...details, ...more.details, line } },
  );
}
