/**
 * Runs one handler process for one delivery.
 *
 * No shell. The input goes to stdin, stdout passes through untouched, stderr passes through and its
 * end is kept. The process leads a process group of its own, so that a time-out or Ctrl-C reaches
 * what it started, too. What its end means is decided in consumer/verdict.ts.
 */
import type { EventFacts } from "../../core/client/consumer/port.ts";
import { type Clock, systemClock } from "../../core/base/clock.ts";
import { setPatientTimer } from "../../core/base/standstill.ts";
import { errorLine } from "./error_line.ts";
import type { HandlerGuard } from "./handler_guard.ts";
import { inOwnSession, SETSID } from "./session.ts";
import { TailBuffer } from "./tail_buffer.ts";
import type { HandlerRun } from "./exit_code.ts";

/** How much of a handler's stderr is kept, bytes. */
export const STDERR_KEPT = 8 * 1024;
/** How much of it is searched for the cause, bytes: the head of a long stack trace tells it. */
const STDERR_SEARCHED = 256 * 1024;
/** How long a handler may go on after SIGTERM, ms. */
export const KILL_GRACE_MS = 5_000;
/**
 * The rest of a handler's output is waited for in so many turns of so long, ms, when its own child
 * holds it open. What it said itself is there by then and takes a turn or two, however seldom this
 * process gets one.
 */
const OUTPUT_TURNS = 10;
const OUTPUT_TURN_MS = 10;

/** What one run needs. */
export interface HandlerRequest {
  command: readonly string[];
  /** Written to stdin as it is; then stdin closes. */
  input: Uint8Array;
  /** Its whole environment. */
  env: Record<string, string>;
  /** After this long SIGTERM, then SIGKILL, ms. */
  timeoutMs?: number;
  /** Where its stderr passes through to. */
  stderr: (chunk: Uint8Array) => void | Promise<void>;
  /** Takes its stdout; left out, that passes through untouched. */
  stdout?: (chunk: Uint8Array) => void | Promise<void>;
  /** Ends it should this process be killed. */
  guard?: HandlerGuard;
  clock?: Clock;
}

/** A handler that was started, or could not be. */
export interface RunningHandler {
  readonly outcome: Promise<HandlerRun>;
  /** Sends a signal to the process and all that it started. After its end it does nothing. */
  kill(signal: Deno.Signal): void;
}

/** Starts a handler. Never throws: what cannot be started is an outcome. */
export function startHandler(request: HandlerRequest): RunningHandler {
  const clock = request.clock ?? systemClock;
  const startedAt = clock.monotonic();
  let child: Deno.ChildProcess;
  request.guard?.prepare();
  try {
    const own = inOwnSession(request.command, { path: request.env["PATH"], setsid: SETSID });
    child = new Deno.Command(own.program, {
      args: own.args,
      env: request.env,
      clearEnv: true,
      stdin: "piped",
      stdout: request.stdout === undefined ? "inherit" : "piped",
      stderr: "piped",
      detached: own.detached,
    }).spawn();
  } catch (error) {
    const outcome: HandlerRun = { kind: "cannot-start", reason: spawnReason(error) };
    return { outcome: Promise.resolve(outcome), kill() {} };
  }

  const forget = request.guard?.watch(child.pid);
  let ended = false;
  let cut: Deno.Signal | undefined;
  const kill = (signal: Deno.Signal) => {
    if (ended) cut ??= signal;
    // Just started, it may not have its group yet.
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
  child: Deno.ChildProcess;
  request: HandlerRequest;
  clock: Clock;
  startedAt: number;
  kill: (signal: Deno.Signal) => void;
  /** The signal that came behind the handler's end. */
  cut: () => Deno.Signal | undefined;
}

async function watch(watched: Watched, onEnd: () => void): Promise<HandlerRun> {
  const { child, request, clock, startedAt, kill, cut } = watched;
  const tail = new TailBuffer(STDERR_SEARCHED);
  const outputs = [
    new Passing(child.stderr, async (chunk) => {
      tail.push(chunk);
      await request.stderr(chunk);
    }),
    ...(request.stdout === undefined ? [] : [new Passing(child.stdout, request.stdout)]),
  ];
  const stopFeeding = feed(child.stdin, request.input);

  let timedOut = false;
  const cancels: (() => void)[] = [];
  const { timeoutMs } = request;
  if (timeoutMs !== undefined) {
    cancels.push(setPatientTimer(clock, () => {
      timedOut = true;
      kill("SIGTERM");
      cancels.push(clock.setTimer(() => kill("SIGKILL"), KILL_GRACE_MS));
    }, timeoutMs));
  }
  const status = await child.status;
  onEnd();
  for (const cancel of cancels) cancel();
  stopFeeding();
  // What a timed-out handler started must not outlive it: the next attempt would run beside it.
  if (timedOut) signalGroup(child.pid, "SIGKILL");
  const durationMs = Math.round(clock.monotonic() - startedAt);
  const whole = await passedOn(outputs, { clock, cut: () => cut() !== undefined });
  // Told to stop while its output was not taken: what it answered there is not known, so nothing is
  // done.
  const signal = whole ? status.signal : cut() ?? status.signal;
  return {
    kind: "ended",
    exitCode: status.code,
    ...(signal === null ? {} : { signal }),
    ...(timedOut && timeoutMs !== undefined ? { timedOutAfter: timeoutMs } : {}),
    durationMs,
    stderr: tail.text(STDERR_KEPT),
    ...(status.success && !timedOut ? {} : { said: errorLine(tail.text()) }),
  };
}

/** Writes the input; returns what gives up on it when the handler has ended. */
function feed(stdin: WritableStream<Uint8Array>, input: Uint8Array): () => void {
  const writer = stdin.getWriter();
  const writing = (async () => {
    await writer.write(input);
    await writer.close();
  })();
  // A handler need not read its stdin: one that closes it early (`true`, `head -c 1`) breaks the
  // pipe here, and its exit code alone says how it went.
  writing.catch(() => {});
  return () => {
    // Where a child of the handler holds the pipe open, the write would wait for ever.
    writer.abort().catch(() => {});
  };
}

/** A stream on its way to who takes it. */
class Passing {
  /** Resolves at its end; rejects when it cannot be taken. */
  readonly end: Promise<void>;
  /** A piece of it is being taken just now. */
  busy = false;

  constructor(stream: ReadableStream<Uint8Array>, sink: HandlerRequest["stderr"]) {
    this.end = this.#pass(stream, sink);
    this.end.catch(() => {}); // told when the handler has ended
  }

  async #pass(
    stream: ReadableStream<Uint8Array>,
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
 * Waits until all that a handler said has been taken. A child of its own that holds its output open
 * is not waited for; whoever is slow to take it is, until `cut`. Tells whether all that came was
 * taken; throws what went wrong.
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

/** Waits for a promise, at most `ms`; `undefined` when it took longer. */
async function settledWithin<T>(
  promise: Promise<T>,
  options: { ms: number; clock: Clock },
): Promise<T | undefined> {
  let cancel = () => {};
  const late = new Promise<undefined>((resolve) => {
    cancel = options.clock.setTimer(() => resolve(undefined), options.ms);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    cancel();
  }
}

/** Sends a signal to a process and all that it started; tells whether anybody was there. */
function signalGroup(pid: number, signal: Deno.Signal): boolean {
  return signalTo(-pid, signal);
}

function signalTo(pid: number, signal: Deno.Signal): boolean {
  try {
    Deno.kill(pid, signal);
    return true;
  } catch (error) {
    // It has ended meanwhile, which is what was wanted.
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

/** A batch's environment: what its events have in common. */
export function batchEnv(
  base: Record<string, string>,
  batch: { subscription: string; facts: readonly Pick<DeliveryFacts, "topic" | "type">[] },
): Record<string, string> {
  const env = { ...base };
  for (const name of ["EVS_ID", "EVS_SEQ", "EVS_ATTEMPT", "EVS_DELIVERY", "EVS_KEY"]) {
    delete env[name];
  }
  const common = (name: "topic" | "type") => {
    const [first, ...rest] = new Set(batch.facts.map((facts) => facts[name]));
    return rest.length === 0 ? first : undefined;
  };
  return withVariables(env, {
    EVS_TOPIC: common("topic"),
    EVS_TYPE: common("type"),
    EVS_SUBSCRIPTION: batch.subscription,
    EVS_BATCH: String(batch.facts.length),
  });
}

/** The facts of a delivery that a handler finds in its environment. */
export interface DeliveryFacts extends EventFacts {
  attempt: number;
  delivery: number;
  subscription: string;
}

/** A single environment string may not be longer than this on Linux (MAX_ARG_STRLEN is 128 KiB). */
const LONGEST_VARIABLE = 100_000;

/**
 * A handler's environment: the caller's, with the delivery's facts. Facts that the kernel cannot
 * carry (a NUL, over 100 kB) are left out, for the event on stdin has them all; facts of an outer
 * delivery never shine through.
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
    EVS_SUBSCRIPTION: facts.subscription,
    EVS_KEY: facts.key,
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
