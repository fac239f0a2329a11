/**
 * W3C Trace Context (https://www.w3.org/TR/trace-context/): what `traceparent` and `tracestate` say,
 * in an HTTP header, in a process's environment, and in an event's metadata, where they have the
 * same names.
 *
 * What the specification calls invalid is as if it were absent, and an invalid `tracestate` does not
 * take its `traceparent` with it (docs/adr/0054-traces.md).
 */

/** What a `traceparent` says. */
export interface TraceParent {
  /** The whole trace: 32 hexadecimal digits. */
  traceId: string;
  /** Who is the parent of what comes next: 16 hexadecimal digits. */
  spanId: string;
  /** Eight bits; the lowest: it is sampled. */
  flags: number;
}

/** A trace as members of an event's metadata. */
export interface TraceContext {
  traceparent: string;
  tracestate?: string;
}

/** The two texts, wherever they come from, not checked yet. */
export interface GivenTrace {
  traceparent?: unknown;
  tracestate?: unknown;
}

/** The flags that are defined: sampled, and that the trace id is random. */
const KNOWN_FLAGS = 0b11;
const SAMPLED = 0b01;
const PARENT = /^([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-[^]*)?$/;
const ONLY_ZEROS = /^0+$/;

const MOST_MEMBERS = 32;
/** What has to be passed on of a tracestate, in characters; we pass on no more. */
const LONGEST_STATE = 512;
/** Members longer than this are left out first. */
const LONG_MEMBER = 128;
const STATE_MEMBER = /^[a-z0-9][a-z0-9_\-*/@]{0,255}=[ -+\--<>-~]{0,255}[!-+\--<>-~]$/;

/** Reads a `traceparent`; undefined if it is invalid. Versions to come are read like the first. */
export function parseTraceparent(text: string): TraceParent | undefined {
  const [, version, traceId, spanId, flags, rest] = PARENT.exec(text) ?? [];
  if (version === undefined || version === "ff") return undefined;
  if (version === "00" && rest !== undefined) return undefined;
  if (ONLY_ZEROS.test(traceId!) || ONLY_ZEROS.test(spanId!)) return undefined;
  const bits = Number.parseInt(flags!, 16);
  // What other bits will mean in a later version is not known.
  return { traceId: traceId!, spanId: spanId!, flags: version === "00" ? bits : bits & SAMPLED };
}

/** The `traceparent` for what has been read, in the first version. */
export function formatTraceparent({ traceId, spanId, flags }: TraceParent): string {
  return `00-${traceId}-${spanId}-${flags.toString(16).padStart(2, "0")}`;
}

/** The `traceparent` of somebody whose parent is this one. `spanId`: 16 digits, not only zeros. */
export function childOf({ traceId, flags }: TraceParent, spanId: string): string {
  return formatTraceparent({ traceId, spanId, flags: flags & KNOWN_FLAGS });
}

/**
 * A `tracestate` as it is passed on: without empty members, the first of several with one name, and
 * at most 512 characters. Undefined if it is invalid or empty.
 */
export function parseTracestate(text: string): string | undefined {
  const members = new Map<string, string>();
  let count = 0;
  for (const part of text.split(",")) {
    const member = part.replace(/^[ \t]+|[ \t]+$/g, "");
    if (member === "") continue;
    if (++count > MOST_MEMBERS || !STATE_MEMBER.test(member)) return undefined;
    const name = member.slice(0, member.indexOf("="));
    if (!members.has(name)) members.set(name, member);
  }
  const kept = [...members.values()];
  while (kept.join(",").length > LONGEST_STATE) {
    const long = kept.findLastIndex((member) => member.length > LONG_MEMBER);
    kept.splice(long, 1);
  }
  return kept.length === 0 ? undefined : kept.join(",");
}

/** The trace that two texts say; undefined if they say none. */
export function traceContextOf({ traceparent, tracestate }: GivenTrace): TraceContext | undefined {
  const parent = typeof traceparent === "string" ? parseTraceparent(traceparent) : undefined;
  if (parent === undefined) return undefined;
  const state = typeof tracestate === "string" ? parseTracestate(tracestate) : undefined;
  const context = { traceparent: formatTraceparent(parent) };
  return state === undefined ? context : { ...context, tracestate: state };
}

/**
 * Metadata (the JSON text of an object) with a trace, unless it names one itself. All of its own
 * text stays as it is: numbers as they were written.
 */
export function withTrace(metadata: string, trace: TraceContext): string {
  const given = JSON.parse(metadata) as Record<string, unknown>;
  if (Object.hasOwn(given, "traceparent")) return metadata;
  const { traceparent } = trace;
  const added = JSON.stringify(Object.hasOwn(given, "tracestate") ? { traceparent } : trace);
  if (Object.keys(given).length === 0) return added;
  return `${metadata.slice(0, metadata.lastIndexOf("}"))},${added.slice(1)}`;
}

/** The same for metadata as an object. */
export function addTrace(
  metadata: Readonly<Record<string, unknown>>,
  trace: TraceContext,
): Record<string, unknown> {
  return Object.hasOwn(metadata, "traceparent") ? metadata : { ...trace, ...metadata };
}
