/**
 * A reader of a store whose writer is a thread: what the writer has deleted is told, though its
 * answer is still on its way.
 */
import assert from "node:assert/strict";
import { SqliteEventStore } from "../../../../core/store/sqlite/sqlite_event_store.ts";
import {
  type StoreAnswer,
  type StoreCall,
  WorkerEventStore,
} from "../../../../core/store/worker/sqlite_worker_store.ts";
import type { WorkerClient } from "../../../../core/worker/client.ts";
import { Tail } from "../../../../core/reading/tail.ts";
import { inFolder } from "../../../helpers/start.ts";
import { newEvent } from "../conformance.ts";

/** A writer that does everything at once, and answers when it is let. */
class HeldWriter {
  /** Answers wait for this. */
  held: Promise<void> = Promise.resolve();
  #store: SqliteEventStore | undefined;

  async call(message: unknown): Promise<StoreAnswer> {
    const { held } = this;
    const result = this.#do(message as StoreCall);
    const topics = this.#store!.topicRows().map((row) => ({ ...row }));
    await held;
    return { result, topics };
  }

  terminate(): void {}

  #do(call: StoreCall): unknown {
    if (call.op === "open") {
      this.#store = new SqliteEventStore(call.path, { durability: "os", lock: false });
    } else if (call.op === "append") return this.#store!.appendSync(call.requests);
    else if (call.op === "truncate") return this.#store!.truncateSync(call.topic, call.seq);
    else if (call.op === "removeTopic") this.#store!.removeTopicSync(call.topic);
    else if (call.op === "damaged") this.#store!.report(call.found);
    else if (call.op === "close") this.#store!.closeSync();
    return undefined;
  }
}

async function opened(folder: string): Promise<{ store: WorkerEventStore; writer: HeldWriter }> {
  const writer = new HeldWriter();
  const worker = writer as unknown as WorkerClient;
  const script = new URL("file:///no/script");
  const store = await WorkerEventStore.open(`${folder}/events.db`, { script, worker });
  return { store, writer };
}

const append = (store: WorkerEventStore, count: number) =>
  store.append([{ topic: "t", events: Array.from({ length: count }, () => newEvent()) }]);

for (const [what, firstSeq] of [["truncate", 9], ["removeTopic", 11]] as const) {
  Deno.test(`WorkerEventStore.${what} shows nothing of what is deleted before its writer has answered`, () =>
    inFolder(async (folder) => {
      const { store, writer } = await opened(folder);
      await append(store, 10);
      const told: string[] = [];
      const tail = new Tail({ store, onCommit: () => () => {} }, {
        matches: () => true,
        positions: new Map([["t", 1]]),
        onMissed: ({ from, to }) => told.push(`${from} to ${to} are gone`),
      });
      const answered = Promise.withResolvers<void>();
      writer.held = answered.promise;
      // An answer from before the deletion is on its way, too.
      const before = append(store, 0);
      const deleting = what === "truncate" ? store.truncate("t", 9) : store.removeTopic("t");
      await tail.next();
      assert.deepEqual(told, [`1 to ${firstSeq - 1} are gone`]);
      answered.resolve();
      await before;
      assert.equal(store.head("t").firstSeq, firstSeq);
      await deleting;
      assert.equal(store.head("t").firstSeq, firstSeq);
      tail.close();
      await store.close();
    }));
}

Deno.test("WorkerEventStore.truncate shows everything again when its writer refuses", () =>
  inFolder(async (folder) => {
    const { store, writer } = await opened(folder);
    await append(store, 10);
    const refused = Promise.withResolvers<void>();
    const { call } = writer;
    writer.call = () => refused.promise as Promise<never>;
    const deleting = store.truncate("t", 9);
    assert.equal(store.head("t").firstSeq, 9);
    refused.reject(new Error("the disk is full"));
    await assert.rejects(deleting, /full/);
    assert.equal(store.head("t").firstSeq, 1);
    writer.call = call;
    await store.close();
  }));
