/**
 * Tails that are behind share the pages that they are sent: one read for all of them, what each
 * selects, nothing that is not there any more, and nothing that is kept.
 */
import assert from "node:assert/strict";
import { EventBroker } from "../../../mod.ts";
import { pagesOf } from "../../../core/reading/shared_pages.ts";
import { Tail, type TailOptions } from "../../../core/reading/tail.ts";
import type { Missed } from "../../../core/reading/missed.ts";
import { MemoryEventStore } from "../../../core/store/memory.ts";
import type { JournalStore } from "../../../core/store/store.ts";
import { inSomeTurns, LateStore } from "../../helpers/late_store.ts";
import { randomFrom } from "../../helpers/flip.ts";
import { newEvent } from "../store/conformance.ts";

const decoder = new TextDecoder();

function seqsIn(bytes: Uint8Array | undefined): number[] {
  return decoder.decode(bytes).split("\n").filter(Boolean).map((line) => JSON.parse(line).seq);
}

/** A tail of all that a topic has. */
function tailOf(store: JournalStore, options: Partial<TailOptions> = {}): Tail {
  return new Tail({ store, onCommit: () => () => {} }, {
    matches: () => true,
    positions: new Map([["t", 1]]),
    ...options,
  });
}

/** A store with six events, and how often it was read. */
async function stored() {
  const store = new MemoryEventStore();
  const types = ["x", "y", "x", "y", "x", "y"];
  await store.append([{ topic: "t", events: types.map((type) => newEvent({ type })) }]);
  let reads = 0;
  const { readLines } = MemoryEventStore.prototype;
  store.readLines = function (...query) {
    reads++;
    return readLines.apply(this, query);
  };
  return { store, reads: () => reads };
}

Deno.test("Tails that are behind read a page once while one of them is sent it, and keep none", async () => {
  const { store, reads } = await stored();
  const [one, other, late] = [tailOf(store), tailOf(store), tailOf(store)];
  const first = await one.next();
  assert.deepEqual(seqsIn(first), [1, 2, 3, 4, 5, 6]);
  assert.equal(one.isShared, false);
  assert.equal(await other.next(), first);
  assert.equal(other.isShared, true);
  assert.deepEqual([reads(), pagesOf(store).size], [1, 1]);
  // One has all and waits; the other is still sent the page.
  void one.next();
  assert.equal(pagesOf(store).size, 1);
  other.close();
  assert.equal(pagesOf(store).size, 0);
  assert.deepEqual(seqsIn(await late.next()), [1, 2, 3, 4, 5, 6]);
  assert.deepEqual([reads(), pagesOf(store).size], [2, 1]);
  void late.next();
  assert.equal(pagesOf(store).size, 0);
  one.close();
  late.close();
});

Deno.test("Tails that are behind share no page with those that select or read something else", async () => {
  const { store, reads } = await stored();
  const tails = [
    tailOf(store),
    tailOf(store, { types: ["x"] }),
    tailOf(store, { filter: ({ seq = 0 }) => seq > 2 }),
    tailOf(store, { positions: new Map([["t", 4]]) }),
    tailOf(store, { types: ["x"], positions: new Map([["t", 4]]) }),
  ];
  const pages = await Promise.all(tails.map((tail) => tail.next()));
  assert.deepEqual(
    pages.map(seqsIn),
    [[1, 2, 3, 4, 5, 6], [1, 3, 5], [3, 4, 5, 6], [4, 5, 6], [5]],
  );
  assert.equal(reads(), tails.length);
  tails.forEach((tail) => tail.close());
  assert.equal(pagesOf(store).size, 0);
});

Deno.test("A tail that is behind reads on from a shared page that ends before what came since", async () => {
  const { store } = await stored();
  const [one, other] = [tailOf(store), tailOf(store)];
  const first = await one.next();
  await store.append([{ topic: "t", events: [newEvent(), newEvent()] }]);
  assert.equal(await other.next(), first);
  assert.deepEqual(seqsIn(await other.next()), [7, 8]);
  one.close();
  other.close();
});

Deno.test("A tail that is behind is told what was deleted, although another is still sent it", async () => {
  const { store } = await stored();
  const missed: Missed[] = [];
  const [one, other] = [tailOf(store), tailOf(store, { onMissed: (told) => missed.push(told) })];
  await one.next();
  await store.truncate("t", 3);
  assert.equal((await other.next())?.length, 0);
  assert.deepEqual(missed, [{ topic: "t", from: 1, to: 2, count: 2 }]);
  assert.deepEqual(seqsIn(await other.next()), [3, 4, 5, 6]);
  one.close();
  other.close();
});

Deno.test("A tail that is behind gets nothing of a redacted event, although another is still sent it", async () => {
  await using broker = new EventBroker();
  await broker.createTopic("t");
  for (const payload of ["secret", "public"]) await broker.publish("t", "x", payload);
  const [one, other] = [tailOf(broker.store), tailOf(broker.store)];
  assert.match(decoder.decode(await one.next()), /secret/);
  await broker.redact("t", 1);
  const bytes = decoder.decode(await other.next());
  assert.doesNotMatch(bytes, /secret/);
  assert.match(bytes, /public/);
  one.close();
  other.close();
  assert.equal(pagesOf(broker.store).size, 0);
});

Deno.test("Tails of a store elsewhere share no page: nobody would tell what changes there", async () => {
  const { store: inner } = await stored();
  const store = new LateStore(inner, inSomeTurns(randomFrom(1)));
  const tail = tailOf(store);
  assert.deepEqual(seqsIn(await tail.next()), [1, 2, 3, 4, 5, 6]);
  assert.equal(pagesOf(store).size, 0);
  tail.close();
});
