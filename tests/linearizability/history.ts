/** A history: what clients asked of topics and were told, and when. */

/** What a publisher expects of an event's key, or of the topic if it has none. */
export type Expected = number | "none" | "exists" | "any" | { keySeq: number };

/** What a client asks. */
export type Ask =
  | { op: "append"; id: string; key?: string; expected?: Expected }
  /** The last seq of the topic. */
  | { op: "end" }
  /** The newest event of a key. */
  | { op: "newest"; key: string }
  /** The ids of all events, in their order. */
  | { op: "log" };

/** What it is told. */
export type Told =
  /** An append: where the event is, now or from before. */
  | { seq: number; keySeq: number; duplicate: boolean }
  /** An append: what there was instead of what was expected. */
  | { conflict: number }
  | { end: number }
  | { newest: { id: string; seq: number; keySeq: number } | null }
  | { log: string[] };

/** One request. */
export interface Operation {
  client: number;
  topic: string;
  ask: Ask;
  /** When it was sent, µs. */
  call: number;
  /** When the answer was there; null if none came: then nobody knows whether it was carried out. */
  return: number | null;
  told: Told | null;
}

/** The histories of the topics: each is an object of its own, and judged alone. */
export function byTopic(operations: readonly Operation[]): Map<string, Operation[]> {
  return Map.groupBy(operations, ({ topic }) => topic);
}
