/** The dead-letter queue in a file: crashes, torn lines, two processes. */
import assert from "node:assert/strict";
import fc from "../../packages/fast_check.ts";
import {
  ConflictError,
  type DeadLetterEntry,
  type Event,
  EventBroker,
  FileDeadLetterQueue,
  MemoryEventStore,
} from "../../../mod.ts";
import { TestBroker } from "../../../testing.ts";
import { StateLedger } from "../../../core/broker/ledgers.ts";
import { recordOf } from "../../../core/dead_letter/queue.ts";
import type { Attempt } from "../../../core/event/attempt.ts";
import { MemoryState } from "../../../core/state/memory.ts";
import { SqliteState } from "../../../core/state/sqlite.ts";
import { errorList } from "../sourcing/account.ts";

const FILE = "dead_letters.ndjson";

async function inFolder(work: (dir: string) => Promise<void>): Promise<void> {
  const dir = await Deno.makeTempDir({ prefix: "evs-dlq-" });
  try {
    await work(dir);
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
}

function event(n: number, fields: Partial<Event> = {}): Event {
  return {
    seq: n,
    id: `e${n}`,
    type: "x",
    topic: "t",
    timestamp: n,
    schemaVersion: "1.0",
    payload: { n },
    metadata: { source: "test" },
    ...fields,
  };
}

const seen = (entries: DeadLetterEntry[]) =>
  entries.map(({ event: { id }, subscription, attempts }) => [subscription, id, attempts]);

Deno.test("FileDeadLetterQueue knows what it was told when it is opened again", async () => {
  await inFolder(async (dir) => {
    {
      await using queue = new FileDeadLetterQueue(`${dir}/q`, { now: () => 42 });
      await queue.addEvent(event(1), new Error("first"), "a");
      await queue.addEvent(event(1), new Error("second"), "b", { attempts: 4 });
      await queue.addEvent(event(2, { topic: "u", type: "y" }), new Error("third"), "a");
      await queue.addEvent(event(3), new Error("gone"), "a");
      assert.equal(await queue.removeEvent("e3"), true);
      assert.equal(await queue.removeEvent("e3"), false);
      await queue.addEvent(event(1), new Error("again"), "a");
    }
    await using queue = new FileDeadLetterQueue(`${dir}/q`);
    assert.deepEqual(seen(await queue.getEvents()), [["a", "e1", 2], ["a", "e2", 1], [
      "b",
      "e1",
      4,
    ]]);
    const [entry] = await queue.getEvents({ topic: "t", limit: 1 });
    assert.deepEqual(entry, {
      event: event(1),
      error: "again",
      subscription: "a",
      timestamp: 42,
      attempts: 2,
    });
    assert.deepEqual(seen(await queue.getEvents({ eventType: "y" })), [["a", "e2", 1]]);
    assert.equal((await queue.getEvents({ topic: "t", limit: 0 })).length, 2);
    assert.equal(await queue.retryEvent("nobody"), false);
    assert.equal((await Deno.stat(`${dir}/q/${FILE}`)).mode! & 0o777, 0o600);
  });
});

Deno.test("FileDeadLetterQueue keeps how many deliveries were never answered, as the broker tells it", async () => {
  await inFolder(async (dir) => {
    const attempt = { startedAt: 1, durationMs: 0, outcome: "dead", error: "no" } as const;
    const record = (n: number, attempts: Attempt[]) => ({
      ...recordOf(event(n), "s"),
      reason: "no",
      diedAt: 1,
      attempts,
    });
    const dead = [
      record(1, [{ attempt: 1, delivery: 3, unanswered: 2, ...attempt }, {
        attempt: 2,
        delivery: 2,
        unanswered: 1,
        ...attempt,
      }]),
      record(2, [{ attempt: 1, ...attempt }]),
    ];
    {
      await using queue = new FileDeadLetterQueue(dir);
      const changes = dead.map((record) => ({ op: "dead.put" as const, record }));
      await new StateLedger("s", new MemoryState(), queue).commit(changes, dead);
    }
    await using queue = new FileDeadLetterQueue(dir);
    const found = await queue.getEvents();
    assert.deepEqual(
      found.map(({ event: { id }, attempts, unanswered }) => [id, attempts, unanswered]),
      [["e2", 1, undefined], ["e1", 2, 3]],
    );
  });
});

Deno.test("FileDeadLetterQueue redelivers through the broker that holds it, and keeps the entry until the handler succeeds", async () => {
  await inFolder(async (dir) => {
    const deadLetterQueue = new FileDeadLetterQueue(dir);
    await using broker = new TestBroker({ deadLetterQueue });
    let broken = true;
    const handled: unknown[] = [];
    for (const name of ["a", "b"]) {
      broker.subscribe("t", ({ payload }) => {
        if (broken) throw new Error("down");
        handled.push([name, payload]);
      }, { name, maxRetries: 1 });
    }
    const { id } = await broker.publish("t", "x", 7);
    await broker.waitForProcessing();
    assert.deepEqual(seen(await deadLetterQueue.getEvents()).sort(), [["a", id, 2], ["b", id, 2]]);
    assert.equal(await deadLetterQueue.retryEvent(id), true);
    await broker.waitForProcessing();
    assert.deepEqual(seen(await deadLetterQueue.getEvents()).sort(), [["a", id, 4], ["b", id, 4]]);
    broken = false;
    assert.equal(await broker.retryDeadLetter(id), true);
    await broker.waitForProcessing();
    assert.deepEqual(handled.sort(), [["a", 7], ["b", 7]]);
    assert.deepEqual(await deadLetterQueue.getEvents(), []);
  });
});

Deno.test("FileDeadLetterQueue leaves alone the entry of an event that succeeds by a plain retry elsewhere", async () => {
  await inFolder(async (dir) => {
    const deadLetterQueue = new FileDeadLetterQueue(dir);
    await using broker = new TestBroker({ deadLetterQueue });
    let failures = 1;
    broker.subscribe("t", () => {
      if (failures-- > 0) throw new Error("once");
    }, { name: "fine" });
    broker.subscribe("t", () => {
      throw new Error("always");
    }, { name: "bad", maxRetries: 0 });
    await broker.publish("t", "x", 1);
    await broker.waitForProcessing();
    assert.deepEqual((await deadLetterQueue.getEvents()).map((entry) => entry.subscription), [
      "bad",
    ]);
  });
});

Deno.test("FileDeadLetterQueue without a broker marks an entry for the next one, whose other events are not touched", async () => {
  await inFolder(async (dir) => {
    {
      await using broker = new TestBroker({ deadLetterQueue: new FileDeadLetterQueue(dir) });
      broker.subscribe("t", () => {
        throw new Error("down");
      }, { name: "s", maxRetries: 0 });
      for (const n of [1, 2]) await broker.publish("t", "x", n, { id: `e${n}` });
      await broker.waitForProcessing();
    }
    {
      await using detached = new FileDeadLetterQueue(dir);
      assert.equal(await detached.retryEvent("e1"), true);
      assert.equal((await detached.getEvents()).length, 2);
    }
    // Its store is empty: a new event gets the seq that the dead letter had.
    const deadLetterQueue = new FileDeadLetterQueue(dir);
    await using broker = new TestBroker({ deadLetterQueue });
    const handled: unknown[] = [];
    const both = Promise.withResolvers<void>();
    broker.subscribe("t", ({ payload }) => {
      handled.push(payload);
      if (handled.length === 2) both.resolve();
    }, { name: "s" });
    assert.equal((await broker.publish("t", "x", "new")).seq, 1);
    await both.promise;
    await broker.waitForProcessing();
    assert.deepEqual(new Set(handled), new Set([1, "new"]));
    assert.deepEqual(seen(await deadLetterQueue.getEvents()), [["s", "e2", 1]]);
  });
});

Deno.test("FileDeadLetterQueue that outlived its store does not stand for the new event of the same seq", async () => {
  await inFolder(async (dir) => {
    {
      await using before = new FileDeadLetterQueue(dir);
      await before.addEvent(event(1, { payload: "old" }), new Error("down"), "s");
    }
    const deadLetterQueue = new FileDeadLetterQueue(dir);
    await using broker = new TestBroker({ deadLetterQueue });
    const handled: unknown[] = [];
    const subscription = broker.subscribe("t", ({ payload }) => void handled.push(payload), {
      name: "s",
    });
    await subscription.ready;
    subscription.pause();
    assert.equal((await broker.publish("t", "x", "new")).seq, 1);
    assert.equal(await deadLetterQueue.retryEvent("e1"), true);
    subscription.resume();
    await broker.waitForProcessing();
    assert.deepEqual(handled.sort(), ["new", "old"]);
  });
});

Deno.test("FileDeadLetterQueue redelivers what was on its way when the process ended before the handler did", async () => {
  await inFolder(async (dir) => {
    const entered = Promise.withResolvers<void>();
    let attempts = 0;
    {
      const queue = new FileDeadLetterQueue(`${dir}/q`);
      const broker = new TestBroker({ deadLetterQueue: queue });
      broker.subscribe("t", async () => {
        if (++attempts === 1) throw new Error("down");
        entered.resolve();
        await new Promise(() => {});
      }, { name: "s", maxRetries: 0 });
      const { id } = await broker.publish("t", "x", 5);
      await broker.waitForProcessing();
      await queue.retryEvent(id);
      await entered.promise;
      assert.equal((await queue.getEvents()).length, 1, "it stays until its handler has ended");
      // The process would end here: what is on disk is all that is left.
      await Deno.mkdir(`${dir}/copy`);
      await Deno.copyFile(`${dir}/q/${FILE}`, `${dir}/copy/${FILE}`);
      await queue.close();
    }
    const handled = Promise.withResolvers<unknown>();
    const queue = new FileDeadLetterQueue(`${dir}/copy`);
    await using broker = new TestBroker({ deadLetterQueue: queue });
    broker.subscribe("t", ({ payload }) => handled.resolve(payload), { name: "s" });
    assert.equal(await handled.promise, 5);
    await broker.waitForProcessing();
    assert.deepEqual(await queue.getEvents(), []);
  });
});

Deno.test("FileDeadLetterQueue sends nothing twice when the state remembers the retry too", async () => {
  await inFolder(async (dir) => {
    const eventStore = new MemoryEventStore();
    let broken = true;
    const handled: unknown[] = [];
    const open = () => {
      const broker = new EventBroker({
        deadLetterQueue: new FileDeadLetterQueue(dir),
        state: new SqliteState(`${dir}/state.db`),
        eventStore,
      });
      const subscription = broker.subscribe("t", ({ payload }) => {
        if (broken) throw new Error("down");
        handled.push(payload);
      }, { name: "s", maxRetries: 0, retryDelay: 0 });
      return { broker, subscription };
    };
    const first = open();
    const { id } = await first.broker.publish("t", "x", 1);
    await first.broker.idle();
    first.subscription.pause();
    await first.broker.retryDeadLetter(id);
    await first.broker.close();
    broken = false;
    const second = open();
    await second.subscription.ready;
    await second.broker.getDeadLetterQueue().getEvents();
    await second.broker.idle();
    assert.deepEqual(handled, [1]);
    assert.deepEqual(await second.broker.getDeadLetterQueue().getEvents(), []);
    await second.broker.close();
  });
});

Deno.test("FileDeadLetterQueue says that the subscription is gone, and marks nothing", async () => {
  await inFolder(async (dir) => {
    const queue = new FileDeadLetterQueue(dir);
    await queue.addEvent(event(1), new Error("x"), "gone");
    await using broker = new EventBroker({ deadLetterQueue: queue });
    await assert.rejects(broker.retryDeadLetter("e1"), (error) => {
      assert.ok(error instanceof ConflictError);
      assert.equal(error.code, "dead-letter/subscription-gone");
      return true;
    });
    assert.ok(!(await Deno.readTextFile(`${dir}/${FILE}`)).includes('"op":"retry"'));
  });
});

Deno.test("FileDeadLetterQueue refuses a second queue on its folder, until the first is closed", async () => {
  await inFolder(async (dir) => {
    const first = new FileDeadLetterQueue(dir);
    await first.addEvent(event(1), new Error("x"), "s");
    const second = new FileDeadLetterQueue(dir);
    await assert.rejects(second.getEvents(), { code: "datadir/locked" });
    await first.close();
    assert.equal((await second.getEvents()).length, 1);
    await second.close();
  });
});

Deno.test("FileDeadLetterQueue refuses a newer format and what is no file, and leaves them as they are", async () => {
  await inFolder(async (dir) => {
    await using queue = new FileDeadLetterQueue(dir);
    const { toLogLine } = await import("../../../core/dead_letter/log_line.ts");
    const newer = toLogLine({ op: "format", format: 2 });
    await Deno.writeFile(`${dir}/${FILE}`, newer);
    await assert.rejects(queue.getEvents(), { code: "datadir/newer-format" });
    assert.deepEqual(await Deno.readFile(`${dir}/${FILE}`), newer);
    await Deno.remove(`${dir}/${FILE}`);
    await Deno.writeTextFile(`${dir}/letter`, "dear friend");
    await Deno.symlink(`${dir}/letter`, `${dir}/${FILE}`);
    await assert.rejects(queue.getEvents(), { code: "datadir/unsafe" });
    assert.equal(await Deno.readTextFile(`${dir}/letter`), "dear friend");
  });
});

Deno.test("FileDeadLetterQueue cuts a torn tail at every byte of its last line, and loses nothing before it", async () => {
  await inFolder(async (dir) => {
    {
      await using queue = new FileDeadLetterQueue(dir);
      await queue.addEvent(event(1), new Error("x"), "s");
      await queue.addEvent(event(2), new Error("x"), "s");
    }
    const whole = await Deno.readFile(`${dir}/${FILE}`);
    const last = whole.lastIndexOf(0x0a, whole.length - 2) + 1;
    for (let end = last; end < whole.length; end++) {
      await Deno.writeFile(`${dir}/${FILE}`, whole.subarray(0, end));
      const { told, onError } = errorList();
      await using queue = new FileDeadLetterQueue(dir, { onError });
      assert.deepEqual(seen(await queue.getEvents()), [["s", "e1", 1]], `cut at ${end}`);
      assert.equal(told.length, end === last ? 0 : 1);
      await queue.addEvent(event(3), new Error("x"), "s");
      assert.equal((await queue.getEvents()).length, 2);
    }
  });
});

Deno.test("FileDeadLetterQueue hands out nothing that was damaged, keeps it aside, and serves the rest", async () => {
  await inFolder(async (dir) => {
    {
      await using queue = new FileDeadLetterQueue(dir);
      for (const n of [1, 2, 3]) await queue.addEvent(event(n), new Error("x"), "s");
    }
    const whole = await Deno.readFile(`${dir}/${FILE}`);
    await fc.assert(
      fc.asyncProperty(
        fc.nat(whole.length - 2),
        fc.integer({ min: 0, max: 7 }),
        async (at, bit) => {
          const bytes = whole.slice();
          bytes[at] = bytes[at]! ^ (1 << bit);
          await Deno.writeFile(`${dir}/${FILE}`, bytes);
          await Deno.remove(`${dir}/damaged.ndjson`).catch(() => {});
          const { told, onError } = errorList();
          await using queue = new FileDeadLetterQueue(dir, { onError });
          const entries = await queue.getEvents();
          for (const { event: read } of entries) {
            assert.deepEqual(read, event(read.seq!), "an altered event was handed out");
          }
          assert.equal(told.length, 1);
          const aside = await Deno.readTextFile(`${dir}/damaged.ndjson`);
          assert.ok(aside.length > 20);
          // A flip in a line feed joins or cuts two lines; anything else takes one.
          assert.ok(entries.length >= 1);
          await queue.close();
          await using again = new FileDeadLetterQueue(dir, { onError });
          assert.equal((await again.getEvents()).length, entries.length);
          assert.equal(told.length, 1, "what was put aside is not told again");
        },
      ),
      { numRuns: 150 },
    );
  });
});

Deno.test("FileDeadLetterQueue writes its file anew when most of it says nothing any more", async () => {
  await inFolder(async (dir) => {
    const text = "x".repeat(50_000);
    {
      await using queue = new FileDeadLetterQueue(dir);
      await queue.addEvent(event(0), new Error("kept"), "s");
      await queue.retryEvent("e0");
      for (let n = 1; n <= 60; n++) {
        await queue.addEvent(event(n, { payload: text }), new Error("x"), "s");
        await queue.removeEvent(`e${n}`);
      }
      assert.ok((await Deno.stat(`${dir}/${FILE}`)).size < 1_200_000);
      await queue.addEvent(event(99), new Error("last"), "s");
      assert.deepEqual(seen(await queue.getEvents()), [["s", "e99", 1], ["s", "e0", 1]]);
    }
    await using broker = new TestBroker({ deadLetterQueue: new FileDeadLetterQueue(dir) });
    const handled = Promise.withResolvers<unknown>();
    broker.subscribe("t", ({ payload }) => handled.resolve(payload), { name: "s" });
    assert.deepEqual(await handled.promise, { n: 0 });
  });
});
