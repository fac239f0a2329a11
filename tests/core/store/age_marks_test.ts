/** The sparse marks from which the age of events is told: nothing ever looks older than it is. */
import assert from "node:assert/strict";
import { type AgeMark, seekMarks, thinMarks } from "../../../core/store/age_marks.ts";

/** Ten events, the marks at 1 and 5. */
const marks: AgeMark[] = [{ seq: 1, at: 10_000 }, { seq: 5, at: 20_000 }];
const seek = (since: number, lastAt?: number) =>
  seekMarks(marks, { since, lastAt, firstSeq: 1, lastSeq: 10 });

Deno.test("seekMarks keeps a period until its last moment is before the age", () => {
  assert.equal(seek(10_999), 1, "the first period may have lasted a second");
  assert.equal(seek(11_000), 5);
  assert.equal(seek(20_999), 5);
  assert.equal(seek(21_000), 11, "no period is longer");
});

Deno.test("seekMarks keeps the last period for as long as its last event is young", () => {
  assert.equal(seek(20_300, 20_300), 5);
  assert.equal(seek(20_301, 20_300), 11);
});

Deno.test("seekMarks keeps what is before the first mark as long as what it marks", () => {
  const of = (since: number) =>
    seekMarks([{ seq: 4, at: 10_000 }], { since, lastAt: undefined, firstSeq: 2, lastSeq: 10 });
  assert.equal(of(10_000), 2);
  assert.equal(of(11_000), 11);
});

Deno.test("thinMarks merges periods that are short for their age, and makes no event older", () => {
  const of = Array.from({ length: 100 }, (_, i) => ({ seq: i + 1, at: i * 1000 }));
  const now = 3_600_000;
  const thin = thinMarks(of, now);
  assert.ok(thin.length > 1 && thin.length < of.length);
  const atOf = (list: readonly AgeMark[], seq: number) =>
    list.findLast((mark) => mark.seq <= seq)!.at;
  for (const { seq, at } of of) assert.ok(atOf(thin, seq) >= at, `${seq} became older`);
  assert.deepEqual(of[1], { seq: 2, at: 1000 }, "what was passed in is as it was");
});
