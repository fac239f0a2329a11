/**
 * Append requests as columns, to cross to the thread that writes.
 *
 * A structured clone of a thousand small objects costs more than storing them. So a request travels as a few long
 * strings and buffers: ids joined by a line feed (an id has none), payloads end to end in one transferred buffer, and a
 * column that is the same for every event as a single value.
 */
import type { NewEvent } from "../event.ts";
import type { AppendRequest, Expected } from "./store.ts";

/** One {@link AppendRequest} as columns. */
export interface PackedRequest {
  topic: string;
  expected?: Expected;
  count: number;
  ids: string;
  /** One byte an event: 1 where the publisher gave the id. Absent: none did. */
  given?: Uint8Array;
  types: string | string[];
  timestamps: number | Float64Array;
  versions: string | string[];
  keys?: (string | undefined)[];
  metadata: string | string[];
  payloads: Uint8Array;
  /** `ends[i]` is where payload i ends in `payloads`. */
  ends: Uint32Array;
}

/** The request as columns. Its payloads are copied. */
export function pack(request: AppendRequest): PackedRequest {
  const { events } = request;
  const count = events.length;
  const ends = new Uint32Array(count);
  let size = 0;
  for (let i = 0; i < count; i++) ends[i] = size += events[i]!.payload.length;
  const payloads = new Uint8Array(size);
  let at = 0;
  let ids = "";
  let anyGiven = false;
  let anyKey = false;
  for (let i = 0; i < count; i++) {
    const event = events[i]!;
    payloads.set(event.payload, at);
    at = ends[i]!;
    ids += i === 0 ? event.id : `\n${event.id}`;
    anyGiven ||= event.idGiven;
    anyKey ||= event.key !== undefined;
  }
  return {
    topic: request.topic,
    ...(request.expected === undefined ? {} : { expected: request.expected }),
    count,
    ids,
    ...(anyGiven ? { given: Uint8Array.from(events, (event) => event.idGiven ? 1 : 0) } : {}),
    types: column(events, (event) => event.type),
    timestamps: timestampColumn(events),
    versions: column(events, (event) => event.schemaVersion),
    ...(anyKey ? { keys: events.map((event) => event.key) } : {}),
    metadata: column(events, (event) => event.metadata),
    payloads,
    ends,
  };
}

/** The request again; its payloads are views on the packed buffer. */
export function unpack(packed: PackedRequest): AppendRequest {
  const ids = packed.ids.split("\n");
  const events: NewEvent[] = new Array(packed.count);
  let start = 0;
  for (let i = 0; i < packed.count; i++) {
    const end = packed.ends[i]!;
    const key = packed.keys?.[i];
    events[i] = {
      id: ids[i]!,
      idGiven: packed.given !== undefined && packed.given[i] === 1,
      type: typeof packed.types === "string" ? packed.types : packed.types[i]!,
      timestamp: typeof packed.timestamps === "number" ? packed.timestamps : packed.timestamps[i]!,
      schemaVersion: typeof packed.versions === "string" ? packed.versions : packed.versions[i]!,
      ...(key === undefined ? {} : { key }),
      metadata: typeof packed.metadata === "string" ? packed.metadata : packed.metadata[i]!,
      payload: packed.payloads.subarray(start, end),
    };
    start = end;
  }
  return {
    topic: packed.topic,
    events,
    ...(packed.expected === undefined ? {} : { expected: packed.expected }),
  };
}

function column(events: readonly NewEvent[], of: (event: NewEvent) => string): string | string[] {
  const first = events.length > 0 ? of(events[0]!) : "";
  return events.every((event) => of(event) === first) ? first : events.map(of);
}

function timestampColumn(events: readonly NewEvent[]): number | Float64Array {
  const first = events[0]?.timestamp ?? 0;
  return events.every((event) => event.timestamp === first)
    ? first
    : Float64Array.from(events, (event) => event.timestamp);
}
