/** An append that is synced while the next one is written. */
import assert from "node:assert/strict";
import { decodeSlots } from "../../../../core/store/file/block.ts";
import { FileEventStore } from "../../../../core/store/file/file_event_store.ts";
import { MemoryDisk } from "../../../helpers/memory_disk.ts";
import { inFolder } from "../../../helpers/start.ts";
import { newEvent } from "../conformance.ts";

const LINES = "/data/events/t/0000000000000001.ndjson";
const INDEX = "/data/events/t/0000000000000001.index";

/** A store whose syncs wait until they are let go, or told how to fail. */
class Gated {
  readonly disk = new MemoryDisk();
  readonly store: FileEventStore;
  /** What happened to the lines, in order. */
  readonly calls: string[] = [];
  #gates: PromiseWithResolvers<void>[] = [];
  #n = 0;

  constructor() {
    this.store = new FileEventStore("/data/events", { disk: this.disk });
    this.disk.onCall = ({ op, path }) => {
      if (path === LINES && op === "write") this.calls.push("write");
    };
    this.disk.onSyncBeside = async (path) => {
      if (path !== LINES) return;
      const n = ++this.#n;
      this.calls.push(`sync ${n}`);
      const gate = Promise.withResolvers<void>();
      this.#gates.push(gate);
      await gate.promise;
      this.calls.push(`synced ${n}`);
    };
  }

  /** Appends one event; resolves when it is written. */
  async append(): Promise<{ acknowledged: Promise<number>; state: { settled: boolean } }> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const state = { settled: false };
    const acknowledged = this.store
      .appendTelling([{ topic: "t", events: [newEvent()] }], { onWritten: resolve })
      .finally(() => state.settled = true)
      .then(({ outcomes: [outcome] }) => outcome!.ok ? outcome!.lastSeq : 0);
    acknowledged.catch(reject);
    await promise;
    return { acknowledged, state };
  }

  /** The sync in progress. */
  async gate(): Promise<PromiseWithResolvers<void>> {
    while (this.#gates.length === 0) await turn();
    return this.#gates.shift()!;
  }
}

function turn(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve));
}

Deno.test("FileEventStore writes an append while the one before is synced, and acknowledges each after its own sync", async () => {
  const gated = new Gated();
  const first = await gated.append();
  const second = await gated.append();
  await turn();
  assert.deepEqual(gated.calls, ["write", "sync 1", "write"]);
  assert.deepEqual([first.state.settled, second.state.settled], [false, false]);
  (await gated.gate()).resolve();
  assert.equal(await first.acknowledged, 1);
  const gate = await gated.gate();
  await turn();
  assert.equal(second.state.settled, false, "its own sync is under way");
  gate.resolve();
  assert.equal(await second.acknowledged, 2);
  assert.deepEqual(gated.calls, ["write", "sync 1", "write", "synced 1", "sync 2", "synced 2"]);
  await gated.store.close();
});

Deno.test("FileEventStore opens few files more for syncs beside writes, however many topics there are", async () => {
  await inFolder(async (folder) => {
    const store = new FileEventStore(`${folder}/events`);
    const begun = openFiles();
    const append = (topics: number[], beside: boolean) => {
      const requests = topics.map((n) => ({ topic: `t${n}`, events: [newEvent()] }));
      return store.appendTelling(requests, beside ? { onWritten: () => {} } : {});
    };
    const all = Array.from({ length: 100 }, (_, n) => n);
    await append(all, true);
    assert.equal(openFiles() - begun, 200, "too many topics at once to be synced beside");
    for (let round = 0; round < 2; round++) {
      const under: Promise<unknown>[] = [];
      for (let n = 0; n < 100; n += 7) {
        under.push(append(all.slice(n, n + 7), true));
        if (under.length > 1) await under.shift();
        // The syncs in progress may include some of the runtime's own.
        assert.ok(openFiles() - begun < 330, `${openFiles() - begun}`);
      }
      await Promise.all(under);
    }
    for (const n of all) assert.equal(store.head(`t${n}`).lastSeq, 3);
    await store.close();
    assert.ok(openFiles() < begun, "nor is any left open");
  });
});

function openFiles(): number {
  return [...Deno.readDirSync("/proc/self/fd")].length;
}

Deno.test("FileEventStore acknowledges nothing behind a sync that failed", async () => {
  const gated = new Gated();
  const first = await gated.append();
  const second = await gated.append();
  (await gated.gate()).reject(new Error("Input/output error (os error 5)"));
  await assert.rejects(first.acknowledged, /Input\/output error/);
  await assert.rejects(second.acknowledged, /Input\/output error/);
  await assert.rejects(gated.append(), /Input\/output error/);
  assert.deepEqual(gated.calls, ["write", "sync 1", "write"], "and syncs nothing more");
  await gated.store.close();
});

Deno.test("FileEventStore takes back an append that found no room while the one before is synced", async () => {
  const gated = new Gated();
  const first = await gated.append();
  const { length } = gated.disk.bytes(LINES);
  gated.disk.onCall = ({ op, bytes = 0, grows }) => {
    if (op !== "write" || !grows) return;
    if (gated.disk.bytes(LINES).length === length) return Math.floor(bytes / 2);
    throw Object.assign(new Error("No space left on device (os error 28)"), { code: "ENOSPC" });
  };
  await assert.rejects(gated.append(), { code: "store/disk-full" });
  assert.equal(gated.disk.bytes(LINES).length, length);
  assert.equal(first.state.settled, false);
  (await gated.gate()).resolve();
  assert.equal(await first.acknowledged, 1);
  gated.disk.onCall = undefined;
  const again = await gated.append();
  (await gated.gate()).resolve();
  assert.equal(await again.acknowledged, 2, "its number goes to the next");
  await gated.store.close();
});

Deno.test("FileEventStore cuts, removes and closes nothing while a sync is under way", async () => {
  const end: ((store: FileEventStore) => Promise<unknown>)[] = [
    (store) => store.truncate("t", 2),
    (store) => store.removeTopic("t"),
    (store) => store.append([{ topic: "t", events: [newEvent()] }]),
    (store) => store.close(),
  ];
  for (const work of end) {
    const gated = new Gated();
    const first = await gated.append();
    let done = false;
    const worked = work(gated.store).then(() => done = true);
    const gate = await gated.gate();
    await turn();
    assert.deepEqual([done, gated.calls.length], [false, 2]);
    gate.resolve();
    await Promise.all([first.acknowledged, worked]);
    await gated.store.close();
  }
});

Deno.test("FileEventStore says of nothing that it is synced which was written while a sync was under way", async () => {
  const gated = new Gated();
  const first = await gated.append();
  const end = gated.disk.bytes(LINES).length;
  const second = await gated.append();
  (await gated.gate()).resolve();
  await first.acknowledged;
  const third = await gated.append();
  const blocks = decodeSlots(gated.disk.bytes(INDEX)).filter((slot) => slot.kind === "block");
  assert.deepEqual(blocks.map(({ block }) => block.syncedEnd), [0, 0, end]);
  for (const { acknowledged } of [second, third]) {
    (await gated.gate()).resolve();
    await acknowledged;
  }
  await gated.store.close();
});
