/** The result of a consumer: as numbers, as text, as an exit code. */
import type { ConsumerResult } from "../../core/client/consumer/consumer.ts";
import { ExitCode } from "../../core/base/errors.ts";
import { signalCode } from "../terminal/signals.ts";

/** A one-line summary. */
export function consumeSummary(result: ConsumerResult): string {
  const parts = [
    `${result.done} done`,
    `${result.retried} retried`,
    `${result.dead} dead`,
  ];
  if (result.lost > 0) parts.push(`${result.lost} to come again`);
  return parts.join(", ");
}

/** What to do next about dead letters. */
export function deadNotice(name: string): string {
  return `to see what they died of:\n  evs dlq groups --subscription ${name}`;
}

/** What to do next about a pause. */
export function pausedNotice(
  name: string,
  { paused, pausedBy }: Pick<ConsumerResult, "paused" | "pausedBy">,
): string {
  const next = pausedBy === "person"
    ? "nothing is lost; to go on"
    : "nothing is lost; when it is fixed, start consume again, or";
  return `paused: ${paused}\n${next}:\n  evs subscription resume ${name}`;
}

/** The exit code of `consume`. */
export function exitCode(result: ConsumerResult): number {
  // It was asked to stop and has returned its events: to a service manager that is not a failure.
  if (result.interrupted === "SIGTERM") return ExitCode.Ok;
  // A closed pipe is not an error, here as everywhere.
  if (result.interrupted === "SIGPIPE") return ExitCode.Ok;
  if (result.interrupted !== undefined) return signalCode(result.interrupted);
  if (result.paused !== undefined) return ExitCode.NotFound;
  return result.dead > 0 ? ExitCode.Partly : ExitCode.Ok;
}
