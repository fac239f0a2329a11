/**
 * What a topic does if it does one thing after the other: the promise that a history is held to. A
 * repeated id is what it was the first time, an expectation is compared with what is there, and a
 * read sees everything before it. The other reading of it is porcupine/model.go.
 */
import type { Ask, Expected, Told } from "./history.ts";

/** A topic: its events in order, and a name that two topics have only if they have the same. */
export interface Log {
  readonly events: readonly { id: string; key: string | undefined; keySeq: number }[];
  readonly name: string;
}

/** Without events. */
export const EMPTY: Log = { events: [], name: "" };

/** What the topic answers, and what it is then. */
export function step(log: Log, ask: Ask): { told: Told; then: Log } {
  switch (ask.op) {
    case "append":
      return append(log, ask);
    case "end":
      return { told: { end: log.events.length }, then: log };
    case "log":
      return { told: { log: log.events.map(({ id }) => id) }, then: log };
    case "newest": {
      const at = log.events.findLastIndex(({ key }) => key === ask.key);
      const event = log.events[at];
      const newest = event ? { id: event.id, seq: at + 1, keySeq: event.keySeq } : null;
      return { told: { newest }, then: log };
    }
  }
}

function append(
  log: Log,
  { id, key, expected = "any" }: Extract<Ask, { op: "append" }>,
): { told: Told; then: Log } {
  const { events } = log;
  const there = events.findIndex((event) => event.id === id);
  if (there >= 0) {
    const { keySeq } = events[there]!;
    return { told: { seq: there + 1, keySeq, duplicate: true }, then: log };
  }
  const last = events.findLastIndex((event) => key === undefined || event.key === key) + 1;
  const lastOfKey = key === undefined ? 0 : events[last - 1]?.keySeq ?? 0;
  const actual = typeof expected === "object" ? lastOfKey : last;
  if (!meets(expected, actual)) return { told: { conflict: actual }, then: log };
  const keySeq = key === undefined ? 0 : lastOfKey + 1;
  return {
    told: { seq: events.length + 1, keySeq, duplicate: false },
    then: { events: [...events, { id, key, keySeq }], name: `${log.name} ${id}` },
  };
}

function meets(expected: Expected, actual: number): boolean {
  if (typeof expected === "object") return actual === expected.keySeq;
  if (typeof expected === "number") return actual === expected;
  return expected === "any" || (expected === "none") === (actual === 0);
}
