/** The trace that an event inherits from the environment, and what is said about an invalid one. */
import {
  parseTraceparent,
  parseTracestate,
  type TraceContext,
  traceContextOf,
} from "../../core/event/trace_context.ts";

/** A trace from the environment, and sentences about what is no trace. */
export interface InheritedTrace {
  trace: TraceContext | undefined;
  notices: readonly string[];
}

const FORM = "as in 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
/** Characters of a wrong value that are shown. */
const SHOWN = 80;

/** What TRACEPARENT and TRACESTATE say. An invalid one is left out, and a notice says so. */
export function inheritedTrace(env: (name: string) => string | undefined): InheritedTrace {
  const given = { traceparent: env("TRACEPARENT"), tracestate: env("TRACESTATE") };
  const trace = traceContextOf(given);
  if (trace === undefined) {
    const value = shown(given.traceparent ?? "");
    const notice = `TRACEPARENT is ${value}, which is no W3C trace context: published without it`;
    return { trace, notices: [`${notice} (${FORM})`] };
  }
  const { tracestate } = given;
  if (!tracestate || parseTracestate(tracestate) !== undefined) return { trace, notices: [] };
  const notice = `TRACESTATE is ${shown(tracestate)}, which is no list of NAME=VALUE: left out`;
  return { trace, notices: [notice] };
}

/**
 * The metadata for a trace that was typed, without the inherited one: a tracestate goes with its own
 * traceparent only. `notice` says that it is no trace.
 */
export function typedTrace(
  inherited: Readonly<Record<string, string>>,
  given: Readonly<Record<string, string>>,
): { metadata: Record<string, string>; notice?: string } {
  const { traceparent: _, tracestate: __, ...others } = inherited;
  const metadata = { ...others, ...given };
  const { traceparent = "" } = given;
  if (parseTraceparent(traceparent) !== undefined) return { metadata };
  const notice = `traceparent is ${shown(traceparent)}, which is no W3C trace context: it is ` +
    `stored as typed, and handlers do not continue it (${FORM})`;
  return { metadata, notice };
}

function shown(value: string): string {
  return JSON.stringify(value.length > SHOWN ? `${value.slice(0, SHOWN)}…` : value);
}
