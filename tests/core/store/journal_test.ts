/** Group commit: order, sharing, refusals and failures. */
import assert from "node:assert/strict";
import { CannotStoreError, InternalError } from "../../../core/base/errors.ts";
import {
  AppendTimes,
  type Commit,
  Journal,
  type PublishStream,
} from "../../../core/store/journal.ts";
import { MemoryEventStore } from "../../../core/store/memory.ts";
import type { AppendOutcome, AppendRequest } from "../../../core/store/store.ts";
import { FakeClock } from "../../helpers/fake_clock.ts";
import { newEvent } from "./conformance.ts";

/** A store whose appends wait until the test releases them or makes them fail. */
class GatedStore extends MemoryEventStore {
  /** Events of each append. */
  readonly batches: number[] = [];
  #gates: PromiseWithResolvers<void>[] = [];
  #arrived = Promise.withResolvers<void>();

  override async append(requests: readonly AppendRequest[]): Promise<AppendOutcome[]> {
    this.batches.push(requests.reduce((sum, { events }) => sum + events.length, 0));
    const gate = Promise.withResolvers<void>();
    this.#gates.push(gate);
    this.#arrived.resolve();
    await gate.promise;
    return await super.append(requests);
  }

  /** Waits for the next append, and returns what lets it go or fails it. */
  async next(): Promise<PromiseWithResolvers<void>> {
    while (this.#gates.length === 0) {
      await this.#arrived.promise;
      this.#arrived = Promise.withResolvers();
    }
    return this.#gates.shift()!;
  }
}

const one = (topic = "t") => ({ topic, events: [newEvent()] });

Deno.test("Journal sends what waited as one append when the one before is done", async () => {
  const store = new GatedStore();
  const journal = new Journal(store);
  const first = journal.submit(one());
  const gate = await store.next();
  const rest = Array.from({ length: 100 }, () => journal.submit(one()));
  gate.resolve();
  await first;
  (await store.next()).resolve();
  const outcomes = await Promise.all(rest);
  assert.deepEqual(store.batches, [1, 100]);
  assert.deepEqual(
    outcomes.map((outcome) => outcome.ok && outcome.firstSeq),
    Array.from({ length: 100 }, (_, i) => i + 2),
  );
  assert.equal(journal.batches, 2);
});

Deno.test("Journal tells listeners once of neighbours that were stored together, before any is answered", async () => {
  const store = new GatedStore();
  const journal = new Journal(store);
  const told: (string | number)[] = [];
  journal.onCommit(({ topic, firstSeq, lastSeq, events }) => {
    told.push(`${topic} ${firstSeq}-${lastSeq} ${events?.length}`);
  });
  const all = ["t", "t", "u", "t"].map((topic, i) =>
    journal.submit(one(topic)).then(() => told.push(i))
  );
  (await store.next()).resolve();
  await Promise.all(all);
  assert.deepEqual(told, ["t 1-2 2", "u 1-1 1", "t 3-3 1", 0, 1, 2, 3]);
  assert.equal(journal.events, 4);
});

Deno.test("Journal acknowledges nothing before the append is done", async () => {
  const store = new GatedStore();
  const journal = new Journal(store);
  let acknowledged = false;
  const commits: Commit[] = [];
  journal.onCommit((commit) => void commits.push(commit));
  const submitted = journal.submit(one()).then(() => acknowledged = true);
  const gate = await store.next();
  await new Promise((resolve) => setTimeout(resolve)); // a whole turn of the event loop
  assert.equal(acknowledged, false);
  assert.equal(commits.length, 0);
  gate.resolve();
  await submitted;
  assert.equal(commits.length, 1);
});

Deno.test("Journal goes on when there was no room for one batch", async () => {
  const store = new GatedStore();
  const journal = new Journal(store);
  const first = journal.submit(one());
  (await store.next()).reject(new CannotStoreError("the disk is full"));
  await assert.rejects(first, { code: "store/unavailable" });
  const second = journal.submit(one());
  (await store.next()).resolve();
  const outcome = await second;
  assert.ok(outcome.ok && outcome.firstSeq === 1);
  assert.equal(journal.failed, undefined);
});

Deno.test("Journal.settled waits for what a topic has under way and waiting, and not for others", async () => {
  const store = new GatedStore();
  const journal = new Journal(store);
  const order: string[] = [];
  const stored = (name: string) => () => void order.push(name);
  const first = journal.submit(one()).then(stored("first"));
  const underWay = await store.next();
  const second = journal.submit(one()).then(stored("second"));
  const other = journal.submit(one("u"));
  const settled = journal.settled("t").then(stored("settled"));
  await journal.settled("v");
  underWay.resolve();
  const waiting = await store.next();
  const third = journal.submit(one()).catch(stored("third is refused"));
  waiting.resolve();
  await settled;
  assert.deepEqual(order, ["first", "second", "settled"]);
  (await store.next()).reject(new CannotStoreError("the disk is full"));
  await journal.settled("t");
  await Promise.all([first, second, other, third]);
  assert.equal(order.at(-1), "third is refused");
});

Deno.test("Journal stores nothing more of a stream when one of its requests could not be stored", async () => {
  const store = new GatedStore();
  const journal = new Journal(store);
  const stream: PublishStream = {};
  const first = journal.submit(one(), stream);
  const gate = await store.next();
  const second = journal.submit(one(), stream);
  const other = journal.submit(one("other"));
  gate.reject(new CannotStoreError("the disk is full"));
  await assert.rejects(first, { code: "store/unavailable" });
  (await store.next()).resolve();
  await assert.rejects(second, { code: "store/unavailable" });
  assert.ok((await other).ok);
  assert.equal(store.head("t").lastSeq, 0);
});

Deno.test("Journal refuses everything when an append failed for an unknown reason", async () => {
  const store = new GatedStore();
  const journal = new Journal(store);
  const first = journal.submit(one());
  const gate = await store.next();
  const waiting = journal.submit(one());
  const failure = new InternalError("fsync failed");
  gate.reject(failure);
  await assert.rejects(first, failure);
  await assert.rejects(waiting, failure);
  await assert.rejects(journal.submit(one()), failure);
  assert.equal(await journal.failure, failure);
  assert.deepEqual(store.batches, [1]);
});

Deno.test("Journal refuses everything when a listener fails, and leaves nobody waiting", async () => {
  for (const isElsewhere of [false, true]) {
    const store = Object.assign(new MemoryEventStore(), { isElsewhere });
    const journal = new Journal(store);
    let told = 0;
    journal.onCommit(() => {
      if (told++ === 0) throw new Error("a listener fails");
    });
    const before = [journal.submit(one()), journal.submit(one("u"))];
    for (const asked of [...before, journal.submit(one())]) {
      await assert.rejects(asked, /a listener fails/);
    }
    await assert.rejects(journal.submit(one()), /a listener fails/);
  }
});

Deno.test("Journal tells listeners only what was stored when some were duplicates", async () => {
  const journal = new Journal(new MemoryEventStore());
  const commits: Commit[] = [];
  journal.onCommit((commit) => void commits.push(commit));
  const events = [newEvent({ id: "a" }), newEvent({ id: "a" }), newEvent({ id: "b" })];
  await journal.submit({ topic: "t", events });
  await journal.submit({ topic: "t", events });
  assert.deepEqual(
    commits.map(({ firstSeq, lastSeq, events }) => [firstSeq, lastSeq, events?.map((e) => e.id)]),
    [
      [1, 2, ["a", "b"]],
    ],
  );
});

Deno.test("Journal times an append from its own first request when some always wait", async () => {
  const clock = new FakeClock();
  const store = new GatedStore();
  const times = new AppendTimes(clock);
  const journal = new Journal(store, { times });
  const full = () => ({ topic: "t", events: Array.from({ length: 10_001 }, () => newEvent()) });
  const submitted = [journal.submit(full()), journal.submit(full())];
  for (let i = 0; i < 5; i++) {
    const gate = await store.next();
    await clock.pass(100);
    submitted.push(journal.submit(full()));
    gate.resolve();
    await submitted[i];
  }
  // Two do not fit into one append: each waits for the one before, and then for its own.
  assert.equal(times.publish.sum.toFixed(3), (0.1 + 4 * 0.2).toFixed(3));
  for (const request of submitted.slice(5)) {
    (await store.next()).resolve();
    await request;
  }
});
