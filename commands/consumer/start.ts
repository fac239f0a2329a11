/**
 * Starts handler processes for deliveries, one event or one batch per run, and interprets their
 * result.
 */
import type { Clock } from "../../core/base/clock.ts";
import type { Delivery } from "../../core/client/consumer/port.ts";
import type { RunningBatch } from "../../core/client/consumer/work.ts";
import { batchEnv, handlerEnv, startHandler } from "./handler.ts";
import type { HandlerGuard } from "./handler_guard.ts";
import { AnswerReader, settlementsOf } from "./batch.ts";
import { handlerInput, type StdinForm } from "./input.ts";
import type { OutputReader } from "./output_reader.ts";
import { type HandlerRun, settlementOf } from "./exit_code.ts";
import { tracedEnv } from "./trace_env.ts";

/** Options common to all runs. */
export interface HandlerStartOptions {
  command: readonly string[];
  subscription: string;
  stdin: StdinForm;
  timeoutMs: number | undefined;
  environment: Record<string, string>;
  /** The reader of the handlers' stdout. */
  reader: OutputReader;
  stderr: (chunk: Uint8Array) => void | Promise<void>;
  say: (text: string) => void;
  guard: HandlerGuard;
  clock: Clock;
  /** A new one for each run whose events have a trace. */
  newSpanId: () => string;
}

/** How a consumer starts a handler. */
export type HandlerStart = (deliveries: readonly Delivery[]) => RunningBatch;

/** One event per run; stdout is the handler's own. */
export function startEach(options: HandlerStartOptions): HandlerStart {
  const { command, subscription, stdin, environment, stderr, timeoutMs, guard, clock } = options;
  return (deliveries) => {
    const delivery = deliveries[0]!;
    const { outcome, kill } = startHandler({
      command,
      input: handlerInput([delivery], stdin),
      env: tracedEnv(
        handlerEnv(environment, {
          ...delivery.facts,
          attempt: delivery.attempt,
          delivery: delivery.delivery,
          epoch: delivery.epoch,
          subscription,
        }),
        { traces: [delivery.facts.trace], newSpanId: options.newSpanId },
      ),
      timeoutMs,
      stderr,
      guard,
      clock,
    });
    const verdicts = outcome.then(async (ended) => {
      const settlements = [settlementOf(ended, command)];
      await options.reader.look(ended, settlements);
      return settlements;
    });
    return { kill, verdicts };
  };
}

/** Several events per run, answered on stdout. */
export function startBatch(options: HandlerStartOptions): HandlerStart {
  const { command, subscription, stdin, environment, stderr, timeoutMs, guard, clock } = options;
  return (deliveries) => {
    const facts = deliveries.map((delivery) => delivery.facts);
    let untaken = false;
    const reader = new AnswerReader({
      ids: new Set(facts.map(({ id }) => id)),
      pass: async (chunk) => {
        if (!await options.reader.write(chunk)) untaken = true;
      },
      say: options.say,
    });
    const { outcome, kill } = startHandler({
      command,
      input: handlerInput(deliveries, stdin),
      env: tracedEnv(batchEnv(environment, { subscription, facts }), {
        traces: facts.map(({ trace }) => trace),
        newSpanId: options.newSpanId,
      }),
      timeoutMs,
      stdout: (chunk) => reader.push(chunk),
      stderr,
      guard,
      clock,
    });
    const verdicts = outcome.then(async (ended) => {
      await reader.end();
      // Its output was not accepted, as if it had written to a closed pipe itself: only its answers
      // count.
      const run: HandlerRun = untaken && ended.kind === "ended"
        ? { ...ended, signal: "SIGPIPE" }
        : ended;
      const settlements = settlementsOf(run, { deliveries, answers: reader.answers, command });
      await options.reader.look(run, settlements);
      return settlements;
    });
    return { kill, verdicts };
  };
}
