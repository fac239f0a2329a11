/**
 * The trace in a handler's environment: a child of the event's, so that every attempt is a place of
 * its own in the trace, and what the handler publishes or calls comes after it. An event without a
 * trace leaves the environment as it is: then the trace is the consumer's, if that has one.
 */
import {
  childOf,
  type GivenTrace,
  parseTraceparent,
  parseTracestate,
} from "../../core/event/trace_context.ts";

/** The id of a new place in a trace. `fill`: fills an array with random bytes. */
export function newSpanId(
  fill: (bytes: Uint8Array<ArrayBuffer>) => Uint8Array = (bytes) => crypto.getRandomValues(bytes),
): string {
  const id = fill(new Uint8Array(8)).toHex();
  // Only zeros would mean that there is none.
  return /^0+$/.test(id) ? "0000000000000001" : id;
}

/**
 * The environment with the trace that all the events of a run belong to. Events of several traces,
 * or some of none, have none in common.
 */
export function tracedEnv(
  env: Record<string, string>,
  { traces, newSpanId }: {
    traces: readonly (GivenTrace | undefined)[];
    newSpanId: () => string;
  },
): Record<string, string> {
  if (traces.includes(undefined)) return env;
  const parents = traces.map((trace) => parseTraceparent(String(trace!.traceparent)));
  const [first, ...others] = new Set(parents.map((parent) => parent?.traceId));
  const [parent] = parents;
  if (first === undefined || others.length > 0 || parent === undefined) return env;
  const { TRACESTATE: _, ...rest } = env;
  const [state, ...otherStates] = new Set(traces.map((trace) => stateOf(trace!)));
  return {
    ...rest,
    TRACEPARENT: childOf(parent, newSpanId()),
    ...state !== undefined && otherStates.length === 0 && { TRACESTATE: state },
  };
}

function stateOf({ tracestate }: GivenTrace): string | undefined {
  return typeof tracestate === "string" ? parseTracestate(tracestate) : undefined;
}
