/**
 * The cause of what a handler publishes. `evs consume` puts the event's facts into the environment
 * of its handlers; an `evs publish` that finds them there names that event as the cause, as the
 * library does for its handlers (core/event/causation.ts). Loaded only inside handlers.
 */

/** The metadata that names the event being handled; empty outside handlers. */
export function inheritedCause(
  env: (name: string) => string | undefined,
): { causationId?: string; correlationId?: string } {
  if (!env("EVS_SUBSCRIPTION")) return {};
  // A handler of a batch has no single event, but its events may belong together.
  const causationId = env("EVS_ID") || undefined;
  const correlationId = env("EVS_CORRELATION_ID") || causationId;
  return {
    ...causationId !== undefined && { causationId },
    ...correlationId !== undefined && { correlationId },
  };
}
