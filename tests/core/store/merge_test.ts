/** Requests merged into one append, and their outcomes split again. */
import assert from "node:assert/strict";
import fc from "../../packages/fast_check.ts";
import type { NewEvent } from "../../../core/event/event.ts";
import { merge, splitOutcomes } from "../../../core/store/merge.ts";
import { MemoryEventStore } from "../../../core/store/memory.ts";
import { pack, type StoreRequest } from "../../../core/store/pack.ts";
import type { AppendOutcome, AppendRequest } from "../../../core/store/store.ts";
import { dose } from "../../helpers/dose.ts";
import { newEvent } from "./conformance.ts";

/** What a publisher may ask; ids are few, so that some come again. */
const asked = fc.record({
  topic: fc.constantFrom("a", "b"),
  ids: fc.array(fc.constantFrom(null, null, null, null, "1"), { maxLength: 3 }),
  keys: fc.array(fc.constantFrom(undefined, "k", "l"), { minLength: 3, maxLength: 3 }),
  expected: fc.constantFrom(undefined, undefined, undefined, "any", "none", "exists", 2),
  packed: fc.constantFrom(false, false, true),
});

type Asked = typeof asked extends fc.Arbitrary<infer T> ? T : never;

/** The same requests each time, ids that are ours among them. */
function requestsOf(all: readonly Asked[]): StoreRequest[] {
  let n = 0;
  return all.map(({ topic, ids, keys, expected, packed }) => {
    const events: NewEvent[] = ids.map((id, i) => {
      const key = keys[i] === undefined ? {} : { key: keys[i] };
      return newEvent({ id: id ?? `own-${++n}`, idGiven: id !== null, ...key });
    });
    const request = { topic, events, expected } as AppendRequest;
    return packed ? pack(request) : request;
  });
}

function stored(store: MemoryEventStore): [string, number, string][] {
  return ["a", "b"].flatMap((topic) =>
    store.readPage(topic, { from: 1, to: 1e6, limit: 1e6 }).events
      .map((event): [string, number, string] => [topic, event.seq, event.id])
  );
}

Deno.test("merge changes neither what is stored nor what is answered", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(asked, { maxLength: 12 }), async (all) => {
      const [plain, merged] = [new MemoryEventStore(), new MemoryEventStore()];
      const expected = await plain.append(requestsOf(all));
      const requests = requestsOf(all);
      const less = merge(requests);
      const outcomes = splitOutcomes(await merged.append(less.requests), {
        requests,
        spans: less.spans,
      });
      assert.deepEqual(outcomes, expected);
      assert.deepEqual(stored(merged), stored(plain));
    }),
    { numRuns: dose(200) },
  );
});

Deno.test("merge makes one request of neighbours that take everything, and leaves the others", () => {
  const one = (
    topic: string,
    more: Partial<AppendRequest> = {},
    event: { idGiven?: boolean } = {},
  ) => ({
    topic,
    events: [newEvent(event)],
    ...more,
  });
  const { requests, spans } = merge([
    one("a"),
    one("a", { expected: "any" }),
    one("a"),
    one("b"),
    one("a"),
    one("a", { expected: "exists" }),
    one("a"),
    one("a", {}, { idGiven: true }),
    pack(one("a")),
    one("a"),
    one("a"),
  ]);
  assert.deepEqual(spans, [3, 1, 1, 1, 1, 1, 1, 2]);
  assert.deepEqual(requests.map(({ topic }) => topic), ["a", "b", "a", "a", "a", "a", "a", "a"]);
  assert.equal((requests[0] as AppendRequest).events.length, 3);
});

Deno.test("splitOutcomes gives each request its own seqs", () => {
  const requests = [1, 2, 3].map((count) => ({
    topic: "a",
    events: Array.from({ length: count }, () => newEvent()),
  }));
  const outcome: AppendOutcome = { ok: true, count: 6, firstSeq: 5, lastSeq: 10, duplicates: [] };
  const seqs = splitOutcomes([outcome], { requests, spans: [3] })
    .map((of) => of.ok && [of.firstSeq, of.lastSeq, of.count]);
  assert.deepEqual(seqs, [[5, 5, 1], [6, 7, 2], [8, 10, 3]]);
});
