/** A pause in words, for whoever waits through it. */
import type { LeaseReply } from "./protocol.ts";

/** What is paused, why, and what ends it. `name` is absent where it is clear which. */
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
