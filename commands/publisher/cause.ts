/**
 * What an event inherits from where it is published.
 *
 * The cause: `evs consume` puts the event's facts into the environment of its handlers; an `evs
 * publish` that finds them there names that event as the cause, as the library does for its handlers
 * (core/event/causation.ts). The trace: whoever has TRACEPARENT in its environment, in a handler or
 * not. Loaded only where there is one of them.
 */
import { load } from "../cli/lazy.ts";

/** Members of an event's metadata. */
export type Inherited = Record<string, string>;

/** What an event inherits, and what is to be told about it. */
export interface InheritedMetadata {
  metadata: Inherited;
  /** Sentences for people about what cannot be inherited. */
  notices: readonly string[];
}

type Environment = (name: string) => string | undefined;

/** The metadata of an event that has none of its own. */
export async function inheritedMetadata(env: Environment): Promise<InheritedMetadata> {
  const cause = inheritedCause(env);
  if (!env("TRACEPARENT")) return { metadata: cause, notices: [] };
  const { inheritedTrace } = await load<typeof import("./trace.ts")>("./publisher/trace.ts");
  const { trace, notices } = inheritedTrace(env);
  return { metadata: { ...cause, ...trace }, notices };
}

/** The metadata that names the event being handled; empty outside handlers. */
export function inheritedCause(env: Environment): { causationId?: string; correlationId?: string } {
  if (!env("EVS_SUBSCRIPTION")) return {};
  // A handler of a batch has no single event, but its events may belong together.
  const causationId = env("EVS_ID") || undefined;
  const correlationId = env("EVS_CORRELATION_ID") || causationId;
  return {
    ...causationId !== undefined && { causationId },
    ...correlationId !== undefined && { correlationId },
  };
}
