/**
 * Runs one handler process for one delivery.
 *
 * No shell is involved. The input goes to stdin, stdout passes through untouched, stderr passes
 * through and its end is kept. The process leads its own process group, so that a timeout or Ctrl-C
 * reaches its children, too. What its exit means is decided in commands/consumer/exit_code.ts.
 */
import type { EventFacts } from "../../core/client/consumer/port.ts";
import { type Clock, systemClock } from "../../core/base/clock.ts";
import { setPatientTimer } from "../../core/base/standstill.ts";
import { type Child, type ChildOptions, startChild } from "./child.ts";
import { errorLine } from "./error_line.ts";
import type { HandlerGuard } from "./handler_guard.ts";
import { TailBuffer } from "./tail_buffer.ts";
import type { HandlerRun } from "./exit_code.ts";

/** How much of a handler's stderr is kept, bytes. */
export const STDERR_KEPT = 8 * 1024;
/** How much of it is searched for the cause, bytes: the head of a long stack trace may have it. */
const STDERR_SEARCHED = 256 * 1024;
/** How long a handler may run after SIGTERM, ms. */
export const KILL_GRACE_MS = 5_000;
/**
 * If a child of the handler holds its output open, the rest is awaited for this many turns of this
 * many ms. The handler's own output is there by then and takes a turn or two, however rarely this
 * process is scheduled.
 */
const OUTPUT_TURNS = 10;
const OUTPUT_TURN_MS = 10;

/** The parameters of one run. */
export interface HandlerRequest {
  command: readonly string[];
  /** Written to stdin unchanged; then stdin is closed. */
  input: Uint8Array;
  /** Its complete environment. */
  env: Record<string, string>;
  /** SIGTERM after this long, then SIGKILL, ms. */
  timeoutMs?: number;
  /** Where its stderr goes. */
  stderr: (chunk: Uint8Array) => void | Promise<void>;
  /** Receives its stdout; if absent, stdout passes through untouched. */
  stdout?: (chunk: Uint8Array) => void | Promise<void>;
  /** Ends it if this process is killed. */
  guard?: HandlerGuard;
  clock?: Clock;
  /** How it is started; default: the quickest way there is. */
  start?: (options: ChildOptions) => Child;
}

/** A handler that was started, or failed to start. */
export interface RunningHandler {
  readonly outcome: Promise<HandlerRun>;
  /** Sends a signal to the process and its children. Does nothing after it has ended. */
  kill(signal: Deno.Signal): void;
}

/** Starts a handler. Never throws: failing to start is a result. */
export function startHandler(request: HandlerRequest): RunningHandler {
  const clock = request.clock ?? systemClock;
  const startedAt = clock.monotonic();
  let child: Child;
  request.guard?.prepare();
  try {
    const { command, env, guard, start = startChild } = request;
    child = start({
      command,
      env,
      stdout: request.stdout ? "piped" : "inherit",
      stderr: "piped",
      starting: (stdin) => guard?.expect(stdin),
    });
  } catch (error) {
    const outcome: HandlerRun = { kind: "cannot-start", reason: spawnReason(error) };
    return { outcome: Promise.resolve(outcome), kill() {} };
  }

  const forget = request.guard?.watch(child.pid);
  let ended = false;
  let cut: Deno.Signal | undefined;
  const kill = (signal: Deno.Signal) => {
    if (ended) cut ??= signal;
    // A process that has just started may not have its group yet.
    else if (!signalGroup(child.pid, signal)) signalTo(child.pid, signal);
  };
  const watched = { child, request, clock, startedAt, kill, cut: () => cut };
  const onEnd = () => {
    ended = true;
    forget?.();
  };
  return { kill, outcome: watch(watched, onEnd) };
}

interface Watched {
  child: Child;
  request: HandlerRequest;
  clock: Clock;
  startedAt: number;
  kill: (signal: Deno.Signal) => void;
  /** The signal that was sent after the handler had ended. */
  cut: () => Deno.Signal | undefined;
}

async function watch(watched: Watched, onEnd: () => void): Promise<HandlerRun> {
  const { child, request, clock, startedAt, kill, cut } = watched;
  const tail = new TailBuffer(STDERR_SEARCHED);
  const outputs = [
    new Passing(child.stderr!, async (chunk) => {
      tail.push(chunk);
      await request.stderr(chunk);
    }),
    ...(request.stdout ? [new Passing(child.stdout!, request.stdout)] : []),
  ];
  child.stdin.write(request.input);
  child.stdin.end();

  let timedOut = false;
  const cancels: (() => void)[] = [];
  const { timeoutMs } = request;
  if (timeoutMs !== undefined) {
    cancels.push(setPatientTimer(clock, () => {
      timedOut = true;
      kill("SIGTERM");
      cancels.push(setPatientTimer(clock, () => kill("SIGKILL"), KILL_GRACE_MS));
    }, timeoutMs));
  }
  const status = await child.status();
  onEnd();
  for (const cancel of cancels) cancel();
  child.stdin.cut();
  // Children of a timed-out handler must not outlive it: the next attempt would run beside them.
  if (timedOut) signalGroup(child.pid, "SIGKILL");
  const durationMs = Math.round(clock.monotonic() - startedAt);
  const whole = await passedOn(outputs, { clock, cut: () => cut() !== undefined });
  // It was told to stop while its output was not being read: its answers are unknown, so the run
  // does not count.
  const signal = whole ? status.signal : cut() ?? status.signal;
  return {
    kind: "ended",
    exitCode: status.code,
    ...(signal === null ? {} : { signal }),
    ...(timedOut && timeoutMs !== undefined ? { timedOutAfter: timeoutMs } : {}),
    durationMs,
    stderr: tail.text(STDERR_KEPT),
    ...(status.code === 0 && !timedOut ? {} : { said: errorLine(tail.text()) }),
  };
}

/** A stream being passed on. */
class Passing {
  /** Resolves at its end; rejects if it cannot be passed on. */
  readonly end: Promise<void>;
  /** A piece of it is being passed on right now. */
  busy = false;

  constructor(stream: AsyncIterable<Uint8Array>, sink: HandlerRequest["stderr"]) {
    this.end = this.#pass(stream, sink);
    this.end.catch(() => {}); // reported when the handler has ended
  }

  async #pass(
    stream: AsyncIterable<Uint8Array>,
    sink: HandlerRequest["stderr"],
  ): Promise<void> {
    for await (const chunk of stream) {
      this.busy = true;
      await sink(chunk);
      this.busy = false;
    }
  }
}

/**
 * Waits until all output of a handler has been passed on. It does not wait for a child of the
 * handler that holds the output open, but it does wait for a slow receiver, until `cut`. Returns
 * whether everything was passed on; throws what went wrong.
 */
async function passedOn(
  outputs: readonly Passing[],
  { clock, cut }: { clock: Clock; cut: () => boolean },
): Promise<boolean> {
  const ends = Promise.all(outputs.map(({ end }) => end))
    .then(() => ({ error: undefined }), (error: unknown) => ({ error }));
  for (let turns = 0; turns < OUTPUT_TURNS;) {
    const over = await settledWithin(ends, { ms: OUTPUT_TURN_MS, clock });
    if (over?.error !== undefined) throw over.error;
    if (over !== undefined) return true;
    if (cut() || !outputs.some(({ busy }) => busy)) turns++;
  }
  return outputs.every(({ busy }) => !busy);
}

/** Waits at most `ms` for a promise; `undefined` if it took longer. */
async function settledWithin<T>(
  promise: Promise<T>,
  options: { ms: number; clock: Clock },
): Promise<T | undefined> {
  let cancel = () => {};
  const late = new Promise<undefined>((resolve) => {
    cancel = setPatientTimer(options.clock, () => resolve(undefined), options.ms);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    cancel();
  }
}

/** Sends a signal to a process and its children; returns whether there was a process. */
function signalGroup(pid: number, signal: Deno.Signal): boolean {
  return signalTo(-pid, signal);
}

function signalTo(pid: number, signal: Deno.Signal): boolean {
  try {
    Deno.kill(pid, signal);
    return true;
  } catch (error) {
    // It has ended in the meantime, which is fine.
    if (error instanceof Deno.errors.NotFound || isNoSuchProcess(error)) return false;
    throw error;
  }
}

function isNoSuchProcess(error: unknown): boolean {
  return error instanceof Error && (error as { code?: unknown }).code === "ESRCH";
}

function spawnReason(error: unknown): string {
  if (error instanceof Deno.errors.NotFound) return "no such file or directory";
  if (error instanceof Deno.errors.PermissionDenied) return "permission denied";
  return error instanceof Error ? error.message : String(error);
}

/** What a batch has several of. */
const OF_ONE_EVENT = ["ID", "SEQ", "ATTEMPT", "DELIVERY", "EPOCH", "KEY"].map((it) => `EVS_${it}`);

/** The environment for a batch: what its events have in common. */
export function batchEnv(
  base: Record<string, string>,
  batch: { subscription: string; facts: readonly EventFacts[] },
): Record<string, string> {
  const env = { ...base };
  for (const name of OF_ONE_EVENT) delete env[name];
  const common = (read: (facts: EventFacts) => string | undefined) => {
    const [first, ...rest] = new Set(batch.facts.map(read));
    return rest.length === 0 ? first : undefined;
  };
  return withVariables(env, {
    EVS_TOPIC: common(({ topic }) => topic),
    EVS_TYPE: common(({ type }) => type),
    EVS_CORRELATION_ID: common(correlationOf),
    EVS_SUBSCRIPTION: batch.subscription,
    EVS_BATCH: String(batch.facts.length),
  });
}

/** The longest correlation id passed on, in characters: a publish has it in its request line. */
const LONGEST_CORRELATION_ID = 1024;

/** What events that this one causes belong to; commands/publisher/cause.ts reads it. */
function correlationOf({ correlationId, id }: EventFacts): string {
  return correlationId === undefined || correlationId === "" ||
      correlationId.length > LONGEST_CORRELATION_ID
    ? id
    : correlationId;
}

/** The facts of a delivery in a handler's environment. */
export interface DeliveryFacts extends EventFacts {
  attempt: number;
  delivery: number;
  /** Where nodes share the subscription out. */
  epoch?: number | undefined;
  subscription: string;
}

/** The longest environment variable that we pass; Linux limits it to 128 KiB (MAX_ARG_STRLEN). */
const LONGEST_VARIABLE = 100_000;

/**
 * A handler's environment: the caller's plus the facts of the delivery. Facts that the kernel
 * cannot carry (with a NUL, over 100 kB) are left out; the event on stdin has them all. Facts of an
 * outer delivery are never inherited.
 */
export function handlerEnv(
  base: Record<string, string>,
  facts: DeliveryFacts,
): Record<string, string> {
  return withVariables({ ...base }, {
    EVS_BATCH: undefined,
    EVS_TOPIC: facts.topic,
    EVS_TYPE: facts.type,
    EVS_ID: facts.id,
    EVS_SEQ: String(facts.seq),
    EVS_ATTEMPT: String(facts.attempt),
    EVS_DELIVERY: String(facts.delivery),
    EVS_EPOCH: facts.epoch === undefined ? undefined : String(facts.epoch),
    EVS_SUBSCRIPTION: facts.subscription,
    EVS_KEY: facts.key,
    EVS_CORRELATION_ID: correlationOf(facts),
  });
}

function withVariables(
  env: Record<string, string>,
  variables: Record<string, string | undefined>,
): Record<string, string> {
  for (const [name, value] of Object.entries(variables)) {
    if (value === undefined || value.includes("\0") || value.length > LONGEST_VARIABLE) {
      delete env[name];
    } else {
      env[name] = value;
    }
  }
  return env;
}
