/** Histories of one topic, made by hand: what a checker must say of them is known. */
import type { Ask, Operation, Told } from "./history.ts";

/** A request of a client from one moment to another; without an answer if `told` is null. */
function op(client: number, [call, end]: [number, number], ask: Ask, told: Told | null): Operation {
  return { client, topic: "t", ask, call, return: told === null ? null : end, told };
}

const append = (id: string, more: Partial<Extract<Ask, { op: "append" }>> = {}): Ask => {
  return { op: "append", id, ...more };
};
const at = (seq: number, keySeq = 0): Told => ({ seq, keySeq, duplicate: false });
const again = (seq: number, keySeq = 0): Told => ({ seq, keySeq, duplicate: true });
const END: Ask = { op: "end" };

/** Every answer has an explanation. */
export const LINEARIZABLE: Readonly<Record<string, Operation[]>> = {
  "one request follows another": [
    op(1, [0, 1], append("a"), at(1)),
    op(2, [2, 3], append("b", { expected: 1 }), at(2)),
    op(1, [4, 5], END, { end: 2 }),
  ],
  "a read that began earlier sees what was appended meanwhile": [
    op(1, [0, 9], END, { end: 1 }),
    op(2, [3, 4], append("a"), at(1)),
  ],
  "of two that expect the same, one is told of the other": [
    op(1, [0, 5], append("a", { expected: "none" }), { conflict: 1 }),
    op(2, [1, 4], append("b", { expected: "none" }), at(1)),
  ],
  "an append without an answer was carried out later": [
    op(1, [0, 1], append("a"), null),
    op(2, [2, 3], END, { end: 0 }),
    op(2, [4, 5], END, { end: 1 }),
    op(2, [6, 7], append("a"), again(1)),
  ],
  "an append without an answer was never carried out": [
    op(1, [0, 1], append("a"), null),
    op(2, [2, 3], append("b", { expected: "none" }), at(1)),
    op(2, [4, 5], { op: "log" }, { log: ["b"] }),
  ],
  "numbers within keys go their own ways": [
    op(1, [0, 3], append("a", { key: "k", expected: { keySeq: 0 } }), at(2, 1)),
    op(2, [0, 3], append("b", { key: "l", expected: { keySeq: 0 } }), at(1, 1)),
    op(1, [4, 5], append("c", { key: "l", expected: { keySeq: 1 } }), at(3, 2)),
    op(2, [6, 7], { op: "newest", key: "k" }, { newest: { id: "a", seq: 2, keySeq: 1 } }),
  ],
};

/** One answer has none. */
export const NOT_LINEARIZABLE: Readonly<Record<string, Operation[]>> = {
  "two that expect the same are both stored": [
    op(1, [0, 5], append("a", { expected: "none" }), at(1)),
    op(2, [1, 4], append("b", { expected: "none" }), at(2)),
  ],
  "two that expect the same number of a key are both stored": [
    op(1, [0, 1], append("a", { key: "k" }), at(1, 1)),
    op(1, [2, 6], append("b", { key: "k", expected: { keySeq: 1 } }), at(2, 2)),
    op(2, [3, 5], append("c", { key: "k", expected: { keySeq: 1 } }), at(3, 3)),
  ],
  "a read does not see what was acknowledged before it": [
    op(1, [0, 1], append("a"), at(1)),
    op(2, [2, 3], END, { end: 0 }),
  ],
  "a later read sees less than an earlier one": [
    op(1, [0, 9], append("a"), null),
    op(2, [1, 2], END, { end: 1 }),
    op(2, [3, 4], END, { end: 0 }),
  ],
  "an acknowledged event is lost": [
    op(1, [0, 1], append("a"), at(1)),
    op(2, [2, 3], append("b"), at(1)),
  ],
  "a repeated id is stored twice": [
    op(1, [0, 1], append("a"), null),
    op(1, [2, 3], append("a"), at(1)),
    op(2, [4, 5], { op: "log" }, { log: ["a", "a"] }),
  ],
  "an order that one reader saw is not that of another": [
    op(1, [0, 20], append("a"), null),
    op(2, [0, 20], append("b"), null),
    op(3, [1, 2], { op: "log" }, { log: ["a", "b"] }),
    op(3, [3, 4], { op: "log" }, { log: ["b", "a"] }),
  ],
  "somebody is refused because of what was never there": [
    op(1, [0, 1], append("a", { expected: "none" }), { conflict: 1 }),
    op(2, [2, 3], END, { end: 0 }),
  ],
  "the newest event of a key is an old one": [
    op(1, [0, 1], append("a", { key: "k" }), at(1, 1)),
    op(1, [2, 3], append("b", { key: "k" }), at(2, 2)),
    op(2, [4, 5], { op: "newest", key: "k" }, { newest: { id: "a", seq: 1, keySeq: 1 } }),
  ],
};
