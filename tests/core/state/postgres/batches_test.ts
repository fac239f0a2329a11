/**
 * Shows that the changes of a transaction become few statements for PostgreSQL, and in which order
 * they run. That the result is that of the changes one after the other is shown on a server
 * (tests/system/postgres/state_answers_test.ts).
 */
import assert from "node:assert/strict";
import { EVERY_PART, maskOf } from "../../../../core/event/part.ts";
import { batchedStatements } from "../../../../core/state/postgres/changes.ts";
import { hexOf, listText, plainRow } from "../../../../core/state/postgres/values.ts";
import type { RetryRecord, StateChange } from "../../../../core/state/state.ts";

const of = { subscription: "s", topic: "t" };

function retry(id: string, more: Partial<RetryRecord> = {}): RetryRecord {
  const due = { dueAt: 5, waitMs: 1, nextAttempt: 2, failures: 1, attempts: [] };
  return { ...of, id, seq: 1, type: "x", ...due, line: new Uint8Array([0, 255]), ...more };
}

const remove = (id: string): StateChange => ({ op: "retry.remove", ...of, id });
const cursor = (next: number): StateChange => ({ op: "cursor.put", record: { ...of, next } });
const done = (...seqs: number[]): StateChange => ({ op: "done.put", ...of, seqs });

/** What a statement does: `INSERT retries`, `SELECT put_cursors`. */
const act = (text: string) =>
  /(INSERT|DELETE|UPDATE|SELECT)[^.]*?evs\.(\w+)/.exec(text)!.slice(1).join(" ");

/** What statements do, without their lists. */
function acts(changes: StateChange[]): string[] {
  return batchedStatements(changes).map(({ text }) => act(text));
}

Deno.test("batchedStatements makes a handful of statements of five thousand settled deliveries", () => {
  const changes = Array.from({ length: 5000 }, (_, n): StateChange[] => [
    { op: "unanswered.remove", ...of, id: `${n}` },
    n % 2 === 0 ? remove(`${n}`) : { op: "retry.put", record: retry(`${n}`) },
    cursor(n + 1),
    done(n + 3),
  ]).flat();
  const statements = batchedStatements(changes);
  assert.deepEqual(acts(changes), [
    "DELETE unanswered",
    "DELETE retries",
    "INSERT retries",
    "SELECT put_cursors",
    "DELETE done",
    "INSERT done",
  ]);
  const rows = (n: number) => String(statements[n]!.values[0]).split(",").length;
  assert.deepEqual([0, 1, 2, 3, 4, 5].map(rows), [5000, 2500, 2500, 1, 1, 3]);
});

Deno.test("batchedStatements has the same texts for other rows, so that they are prepared once", () => {
  const texts = (count: number) => {
    const ids = Array.from({ length: count }, (_, n) => `${n}`);
    return batchedStatements(ids.flatMap((id) => [
      { op: "retry.put", record: retry(id) },
      { op: "retry.due", ...of, id: `other ${id}`, now: 7 },
      remove(`gone ${id}`),
      cursor(count),
    ])).map(({ text }) => text);
  };
  assert.deepEqual(texts(1), texts(50));
});

Deno.test("batchedStatements does to a row what was said last", () => {
  const last = (changes: StateChange[]) =>
    batchedStatements(changes).map(({ text, values }) => [text.trim().slice(0, 6), values.length]);
  assert.deepEqual(last([remove("a"), { op: "retry.put", record: retry("a") }]), [["INSERT", 14]]);
  assert.deepEqual(last([{ op: "retry.put", record: retry("a") }, remove("a")]), [["DELETE", 3]]);
  const due: StateChange = { op: "retry.due", ...of, id: "a", now: 77 };
  assert.deepEqual(last([remove("a"), due]), [["DELETE", 3]]);
  const [put] = batchedStatements([{ op: "retry.put", record: retry("a") }, due]);
  assert.equal(put!.values[7], "{77}", "the time it is due");
});

Deno.test("batchedStatements ends a batch where a range of its rows is meant", () => {
  const clear: StateChange = { op: "retry.clear", ...of };
  const put = (id: string): StateChange => ({ op: "retry.put", record: retry(id) });
  assert.deepEqual(acts([put("a"), put("b"), clear, put("c"), put("d")]), [
    "INSERT retries",
    "DELETE retries",
    "INSERT retries",
  ]);
  assert.deepEqual(acts([put("a"), { op: "unanswered.clear", ...of }, put("b")]), [
    "INSERT retries",
    "DELETE unanswered",
  ]);
});

Deno.test("batchedStatements drops the marks below a cursor, and those only", () => {
  const marks = (changes: StateChange[]) =>
    batchedStatements(changes).filter(({ text }) => text.includes("evs.done"))
      .map(({ text, values }) => [text.slice(0, 6), values.at(-1)]);
  assert.deepEqual(marks([done(1, 5, 7), cursor(6)]), [["DELETE", "{6}"], ["INSERT", "{7}"]]);
  // Back again: what was done below is done no more.
  assert.deepEqual(marks([done(3), cursor(6), cursor(2), done(4)]), [
    ["DELETE", "{6}"],
    ["INSERT", "{4}"],
  ]);
  const all = marks([done(3), { op: "done.clear", ...of }, done(4), cursor(2)]);
  assert.deepEqual(all, [["DELETE", '{"9223372036854775807"}'], ["INSERT", "{4}"]]);
});

Deno.test("listText writes an array of any texts, numbers and bytes", () => {
  assert.equal(
    listText(['a"b', "c\\d", "e,f", "{}", "NULL", ""]),
    String
      .raw`{"a\"b","c\\d","e,f","{}","NULL",""}`,
  );
  assert.equal(listText([1, 2.5, true, null]), "{1,2.5,true,NULL}");
  assert.equal(listText([new Uint8Array([0, 255, 16])]), String.raw`{"\\x00ff10"}`);
  assert.equal(hexOf(new Uint8Array([1, 171])), "01ab");
  assert.equal(listText(["a\0b"]), '{"a\ufffdb"}', "a text of PostgreSQL has no NUL");
});

Deno.test("plainRow makes numbers of a bigint, and of booleans, whatever the driver returns", () => {
  const row = { seq: "12", n: 3n, id: "12", paused: true, line: new Uint8Array([1]), key: null };
  const line = new Uint8Array([1]);
  assert.deepEqual(plainRow(row), { seq: 12, n: 3, id: "12", paused: 1, line, key: null });
});

Deno.test("batchedStatements writes one row of a position of every part, and a row a part of others", () => {
  const statements = batchedStatements([
    { op: "cursor.put", record: { ...of, next: 7, parts: maskOf([0, 2]) } },
    done(9),
    { op: "cursor.put", record: { ...of, topic: "u", next: 3, parts: maskOf([1, 2]) } },
    { op: "cursor.put", record: { ...of, topic: "u", next: 5, parts: EVERY_PART } },
  ]);
  const lists = statements.map(({ text, values }) => [
    act(text),
    ...values,
  ]);
  assert.deepEqual(lists, [
    ["DELETE cursors", '{"s"}', '{"u"}', "{0}"],
    ["SELECT put_cursors", '{"s","s","s"}', '{"t","t","u"}', "{0,2,-1}", "{7,7,5}"],
    ["DELETE done", '{"s","s","s"}', '{"t","t","u"}', "{0,2,-1}", "{7,7,5}"],
    ["INSERT done", '{"s"}', '{"t"}', "{0}", "{9}"],
  ]);
});
