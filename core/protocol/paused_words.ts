/** Describes a pause to whoever is waiting for it to end. */
import type { LeaseReply } from "./protocol.ts";

/** Says what is paused, why, and what ends the pause. Omit `name` where it is clear which one. */
export function pausedWords(
  { name, pauseReason, pausedUntil }:
    & Pick<LeaseReply, "pauseReason" | "pausedUntil">
    & { name?: string },
): string {
  const which = name === undefined ? "the subscription" : `the subscription ${name}`;
  const end = pausedUntil === undefined
    ? "it is resumed"
    : `${new Date(pausedUntil).toISOString()}, or until it is resumed`;
  return `${which} is paused (${pauseReason ?? "no reason given"}): waiting until ${end}`;
}
