/** Events whose files are gone: what the neighbours of a segment and the head tell of it. */
import assert from "node:assert/strict";
import { holesOf, lastKnown, raisedOver } from "../../../../core/store/file/holes.ts";

const segments = [{ firstSeq: 1, lastSeq: 10 }, { firstSeq: 11, lastSeq: 20 }];
const head = (firstSeq = 1, lastSeq = 0, newest?: number) => ({ firstSeq, lastSeq, newest });

function holes(
  spans: readonly { firstSeq: number; lastSeq: number }[],
  { first = 1, last }: { first?: number; last: number },
) {
  return holesOf("t", { head: head(first), segments: spans, lastSeq: last })
    .map((hole) => [hole.firstSeq, hole.lastSeq]);
}

Deno.test("holesOf names what is missing before, between and behind segments, also a single event", () => {
  assert.deepEqual(holes(segments, { last: 20 }), []);
  assert.deepEqual(holes(segments, { last: 21 }), [[21, 21]]);
  assert.deepEqual(holes([segments[1]!], { last: 20 }), [[1, 10]]);
  assert.deepEqual(holes([segments[1]!], { first: 10, last: 20 }), [[10, 10]]);
  assert.deepEqual(holes([segments[1]!], { first: 11, last: 20 }), []);
  const gap = [{ firstSeq: 1, lastSeq: 9 }, { firstSeq: 11, lastSeq: 20 }];
  assert.deepEqual(holes(gap, { last: 25 }), [[10, 10], [21, 25]]);
  assert.deepEqual(holes([], { first: 4, last: 6 }), [[4, 6]]);
  assert.deepEqual(holes([], { first: 7, last: 6 }), []);
});

Deno.test("lastKnown is the highest seq that the head or a segment knows of", () => {
  assert.equal(lastKnown(head(), []), 0);
  assert.equal(lastKnown(head(), segments), 20);
  assert.equal(lastKnown(head(31, 30), segments), 30);
  assert.equal(lastKnown(head(1, 0, 11), segments), 20);
  assert.equal(lastKnown(head(1, 0, 21), segments), 21, "the newest segment is gone");
  assert.equal(lastKnown(head(1, 0, 21), [...segments, { firstSeq: 21, lastSeq: 20 }]), 20);
});

Deno.test("raisedOver names what was given behind the end of a topic that has events", () => {
  const of = (firstSeq: number, lastSeq: number, known: number) => {
    const found = raisedOver("t", { firstSeq, lastSeq, bytes: 0 }, known);
    return found && [found.firstSeq, found.lastSeq];
  };
  assert.deepEqual(of(1, 5, 6), [6, 6]);
  assert.equal(of(1, 5, 5), undefined);
  assert.equal(of(6, 5, 9), undefined, "it begins behind them");
});
