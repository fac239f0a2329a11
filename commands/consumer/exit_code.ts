/**
 * The exit-code contract of `evs consume`: what one run of a handler means for its event.
 *
 * | handler | event |
 * | --- | --- |
 * | exit 0 | done |
 * | exit 75 | retry |
 * | exit 65 | dead letter at once |
 * | exit 126, 127, cannot be started | returned uncounted; the subscription is paused |
 * | timed out, any other exit code, any signal | retry |
 */
import type { ConsumerSettlement, Failure } from "../../core/client/consumer/settlement.ts";
import { errorLine } from "./error_line.ts";

/** The result of one run of a handler. */
export type HandlerRun =
  | { kind: "cannot-start"; reason: string }
  | {
    kind: "ended";
    exitCode: number;
    /** Set if a signal ended it; `exitCode` then has no meaning. */
    signal?: string;
    /** Set if we ended it because it timed out, ms. */
    timedOutAfter?: number;
    durationMs: number;
    /** The last 8 KiB of its stderr. */
    stderr: string;
    /**
     * The line that tells the cause, found in more of its stderr; if absent, it is looked for in
     * `stderr`.
     */
    said?: string;
  };

/** EX_DATAERR of sysexits.h: this event will never work. */
export const EXIT_DEAD = 65;
/** EX_TEMPFAIL of sysexits.h: try again. */
export const EXIT_RETRY = 75;

/** Decides what one run means. Pure. */
export function settlementOf(outcome: HandlerRun, command: readonly string[]): ConsumerSettlement {
  const shown = showCommand(command);
  if (outcome.kind === "cannot-start") {
    return { kind: "pause", reason: `${shown} cannot be started: ${outcome.reason}` };
  }
  const { exitCode, signal, timedOutAfter, durationMs } = outcome;
  const stderr = outcome.stderr === "" ? {} : { stderr: outcome.stderr };
  const nack = (failure: Partial<Failure> & { error: string }): ConsumerSettlement => ({
    kind: "nack",
    failure: {
      durationMs,
      ...stderr,
      ...failure,
      error: withErrorLine(failure.error, outcome),
    },
  });
  if (timedOutAfter !== undefined) {
    return nack({
      error: `timed out after ${timedOutAfter} ms`,
      ...(signal === undefined ? { exitCode } : { signal }),
    });
  }
  if (signal !== undefined) return nack({ error: `killed by ${signal}`, signal });
  switch (exitCode) {
    case 0:
      return { kind: "ack" };
    case 126:
      return {
        kind: "pause",
        reason: withErrorLine(
          `${shown} ended with exit code 126: a command was found but cannot be run`,
          outcome,
        ),
      };
    case 127:
      return {
        kind: "pause",
        reason: withErrorLine(
          `${shown} ended with exit code 127: a command was not found`,
          outcome,
        ),
      };
    case EXIT_DEAD:
      return nack({ error: "exit code 65: refused for good", exitCode, dead: true });
    case EXIT_RETRY:
      return nack({ error: "exit code 75: asked for a retry", exitCode });
    default:
      return nack({ error: `exit code ${exitCode}`, exitCode });
  }
}

/** What ended the attempt, plus the handler's own message: often the only known cause. */
function withErrorLine(error: string, outcome: HandlerRun & { kind: "ended" }): string {
  const said = outcome.said ?? errorLine(outcome.stderr);
  return said === "" ? error : `${error}: ${said}`;
}

/** A command quoted for a shell, cut to a length that fits in a sentence. */
export function showCommand(command: readonly string[]): string {
  const text = command
    .map((word) => /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`)
    .join(" ");
  return text.length <= 200 ? text : `${text.slice(0, 199)}…`;
}
