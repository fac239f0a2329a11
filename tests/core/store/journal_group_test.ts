/** Group commit of atomic groups: they share appends with others, and stay whole. */
import assert from "node:assert/strict";
import { type Commit, Journal } from "../../../core/store/journal.ts";
import { MemoryEventStore } from "../../../core/store/memory.ts";
import type { StoreRequest } from "../../../core/store/pack.ts";
import type { AppendOptions } from "../../../core/store/store.ts";
import { newEvent } from "./conformance.ts";

/** A store that notes what it is asked for. */
class NotingStore extends MemoryEventStore {
  readonly appends: { requests: number; groups: [number, number][] }[] = [];

  override append(requests: readonly StoreRequest[], options: AppendOptions = {}) {
    const groups = (options.groups ?? []).map(({ from, to }): [number, number] => [from, to]);
    this.appends.push({ requests: requests.length, groups });
    return super.append(requests, options);
  }
}

const one = (topic = "t", payload = "1") => ({ topic, events: [newEvent({ payload })] });

Deno.test("Journal stores groups and single requests in one append, and merges only the latter", async () => {
  const store = new NotingStore();
  const journal = new Journal(store);
  const told: Commit[] = [];
  journal.onCommit((commit) => told.push(commit));
  const outcomes = await Promise.all([
    journal.submit(one()),
    journal.submit(one()),
    journal.submitGroup([one(), one("u")], [{ topic: "u", expected: "none" }]),
    journal.submitGroup([one(), one("v")], [{ topic: "v", expected: "exists" }]),
    journal.submit(one()),
    journal.submit(one()),
  ]);
  assert.deepEqual(store.appends, [{ requests: 6, groups: [[1, 3], [3, 5]] }]);
  assert.deepEqual(
    outcomes.flat().map((outcome) => outcome.ok ? outcome.firstSeq : outcome.condition),
    [1, 2, 3, 1, 0, 0, 4, 5],
  );
  assert.deepEqual(
    told.map(({ topic, firstSeq, lastSeq }) => `${topic} ${firstSeq}-${lastSeq}`),
    ["t 1-2", "t 3-3", "u 1-1", "t 4-5"],
  );
});

Deno.test("Journal splits no group over two appends when it is larger than one append", async () => {
  const store = new NotingStore();
  const journal = new Journal(store);
  const large = `"${"x".repeat(12 * 1024 * 1024)}"`;
  const single = journal.submit(one());
  await journal.submitGroup([one("t", large), one("u", large)], []);
  await single;
  assert.deepEqual(store.appends, [{ requests: 3, groups: [[1, 3]] }]);
});

Deno.test("Journal refuses a group when its store has failed", async () => {
  const store = new NotingStore();
  const journal = new Journal(store);
  store.append = () => Promise.reject(new Error("broken"));
  await assert.rejects(journal.submitGroup([one(), one("u")], []), /broken/);
  await assert.rejects(journal.submitGroup([one(), one("u")], []), /broken/);
});
