/** Appends that are written while the previous one is synced, or begun before it is answered. */
import assert from "node:assert/strict";
import { CannotStoreError } from "../../../core/base/errors.ts";
import { Journal, type PublishStream } from "../../../core/store/journal.ts";
import { MemoryEventStore } from "../../../core/store/memory.ts";
import type { AppendOptions, AppendOutcome, AppendRequest } from "../../../core/store/store.ts";
import { newEvent } from "./conformance.ts";

interface Under {
  /** It is written: the next may come. Absent where nobody asked. */
  written: (() => void) | undefined;
  synced: PromiseWithResolvers<void>;
}

/** A store whose appends are written and synced only when the test says so. */
class SteppedStore extends MemoryEventStore {
  /** Appends that have begun. */
  readonly under: Under[] = [];
  readonly isElsewhere: boolean;
  /** The topics of each append that it was asked for. */
  readonly asked: string[][] = [];

  constructor({ isElsewhere = false } = {}) {
    super();
    this.isElsewhere = isElsewhere;
  }

  override async append(
    requests: readonly AppendRequest[],
    { onWritten }: AppendOptions = {},
  ): Promise<AppendOutcome[]> {
    this.asked.push(requests.map(({ topic }) => topic));
    const outcomes = await super.append(requests);
    const under = { written: onWritten, synced: Promise.withResolvers<void>() };
    this.under.push(under);
    await under.synced.promise;
    return outcomes;
  }

  async begun(count: number): Promise<void> {
    while (this.under.length < count) await turn();
    await turn();
    assert.equal(this.under.length, count, "and no more than that");
  }
}

function turn(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve));
}

const small = (topic = "t") => ({ topic, events: [newEvent()] });
const large = (topic = "t") => ({
  topic,
  events: [newEvent({ payload: `"${"x".repeat(300_000)}"` })],
});

/** Submits, and notes in which order what is settled. */
function submitter(journal: Journal, settled: string[]) {
  return (name: string, request: AppendRequest, stream?: PublishStream) => {
    journal.submit(request, stream).then(
      () => settled.push(name),
      () => settled.push(`${name} refused`),
    );
  };
}

Deno.test("Journal begins the next append when a large one is written, two at most, and settles them in order", async () => {
  const store = new SteppedStore();
  const journal = new Journal(store);
  const settled: string[] = [];
  const commits: number[] = [];
  journal.onCommit(({ firstSeq }) => commits.push(firstSeq));
  const submit = submitter(journal, settled);
  submit("a", large());
  await store.begun(1);
  submit("b", large());
  await store.begun(1);
  store.under[0]!.written!();
  await store.begun(2);
  submit("c", large());
  store.under[1]!.written!();
  await store.begun(2);
  store.under[1]!.synced.resolve();
  await turn();
  assert.deepEqual(settled, [], "b does not overtake a");
  store.under[0]!.synced.resolve();
  await store.begun(3);
  assert.deepEqual(settled, ["a", "b"]);
  store.under[2]!.written!();
  await turn();
  submit("d", small());
  await store.begun(4);
  store.under[2]!.synced.resolve();
  store.under[3]!.synced.resolve();
  await journal.idle();
  assert.deepEqual([settled, commits], [["a", "b", "c", "d"], [1, 2, 3, 4]]);
});

Deno.test("Journal lets nothing begin during the sync of a small append: what arrives meanwhile shares the next", async () => {
  const store = new SteppedStore();
  const journal = new Journal(store);
  const submit = submitter(journal, []);
  submit("a", small());
  await store.begun(1);
  assert.equal(store.under[0]!.written, undefined);
  submit("b", small());
  submit("c", large());
  await store.begun(1);
  store.under[0]!.synced.resolve();
  await store.begun(2);
  store.under[1]!.synced.resolve();
  await journal.idle();
  assert.deepEqual([journal.batches, journal.events], [2, 3]);
});

Deno.test("Journal acknowledges nothing behind an append that was written and not synced, whatever the store says", async () => {
  for (const error of [new Error("fsync failed"), new CannotStoreError("the disk is full")]) {
    const store = new SteppedStore();
    const journal = new Journal(store);
    const settled: string[] = [];
    const submit = submitter(journal, settled);
    submit("a", large());
    await store.begun(1);
    store.under[0]!.written!();
    submit("b", large("other"));
    await store.begun(2);
    store.under[1]!.synced.resolve();
    store.under[0]!.synced.reject(error);
    await journal.idle();
    assert.deepEqual(settled, ["a refused", "b refused"]);
    assert.equal(journal.failed, error);
    submit("c", small());
    await turn();
    assert.deepEqual(settled, ["a refused", "b refused", "c refused"]);
    assert.equal(store.under.length, 2);
  }
});

Deno.test("Journal stores nothing of a stream behind what could not be written, and goes on with others", async () => {
  const store = new SteppedStore();
  const journal = new Journal(store);
  const settled: string[] = [];
  const submit = submitter(journal, settled);
  const stream: PublishStream = {};
  submit("a", large(), stream);
  await store.begun(1);
  store.under[0]!.written!();
  submit("b", large(), stream);
  await store.begun(2);
  submit("c", large(), stream);
  submit("d", large("other"));
  store.under[1]!.synced.reject(new CannotStoreError("the disk is full"));
  await turn();
  store.under[0]!.synced.resolve();
  await store.begun(3);
  store.under[2]!.synced.resolve();
  await journal.idle();
  assert.deepEqual(settled, ["a", "b refused", "c refused", "d"]);
  assert.equal(journal.failed, undefined);
});

Deno.test("Journal passes on what waits before it answers when its store is elsewhere, and after it when it is here", async () => {
  for (const isElsewhere of [true, false]) {
    const store = new SteppedStore({ isElsewhere });
    const journal = new Journal(store);
    const settled: string[] = [];
    const submit = submitter(journal, settled);
    /** How many appends were asked for when listeners were told of one. */
    const asked: number[] = [];
    journal.onCommit(() => asked.push(store.asked.length));
    submit("a", small());
    await store.begun(1);
    submit("b", small());
    submit("c", small());
    store.under[0]!.synced.resolve();
    await store.begun(2);
    assert.deepEqual(settled, ["a"]);
    store.under[1]!.synced.resolve();
    await journal.idle();
    assert.deepEqual(settled, ["a", "b", "c"]);
    assert.deepEqual(asked, isElsewhere ? [2, 2] : [1, 2]);
  }
});

Deno.test("Journal passes on nothing of a stream behind what is about to be refused when its store is elsewhere", async () => {
  const refused = new CannotStoreError("the topic has changed");
  for (const how of ["its append fails", "it is refused by itself"]) {
    const store = new SteppedStore({ isElsewhere: true });
    const journal = new Journal(store);
    const settled: string[] = [];
    const submit = submitter(journal, settled);
    const stream: PublishStream = {};
    if (how === "it is refused by itself") {
      const append = store.append.bind(store);
      store.append = async (requests, options) =>
        (await append(requests, options)).map((outcome, i): AppendOutcome =>
          requests[i]!.topic !== "first" || !outcome.ok
            ? outcome
            : { ok: false, expected: "any", actual: 0, subject: "topic", refused }
        );
    }
    submit("a", small("first"), stream);
    await store.begun(1);
    submit("b", small(), stream);
    submit("c", small("other"));
    if (how === "its append fails") store.under[0]!.synced.reject(refused);
    else store.under[0]!.synced.resolve();
    await store.begun(2);
    store.under[1]!.synced.resolve();
    await journal.idle();
    assert.deepEqual(store.asked, [["first"], ["other"]], how);
    assert.deepEqual(settled, ["b refused", "a refused", "c"], how);
  }
});
