/** Limits on a dead-letter queue in a file: what they take, and what they leave alone. */
import assert from "node:assert/strict";
import { type Event, FileDeadLetterQueue } from "../../../mod.ts";
import { inFolder } from "../../helpers/start.ts";

function event(n: number): Event {
  return {
    seq: n,
    id: `e${n}`,
    type: "x",
    topic: "t",
    timestamp: n,
    schemaVersion: "1.0",
    payload: { n },
    metadata: {},
  };
}

/** What a queue that is opened on the folder has, oldest first. */
async function kept(folder: string): Promise<string[]> {
  await using queue = new FileDeadLetterQueue(folder);
  return (await queue.getEvents()).map(({ event }) => event.id).reverse();
}

Deno.test("FileDeadLetterQueue.trim removes the oldest of too many, and none that is being redelivered", () =>
  inFolder(async (folder) => {
    {
      await using queue = new FileDeadLetterQueue(folder);
      for (let n = 1; n <= 5; n++) await queue.addEvent(event(n), new Error("no"), "s");
      // Without a broker it waits for the next one.
      assert.equal(await queue.retryEvent("e1"), true);
      const removed = await queue.trim({ topic: "t", retention: 0, max: 2 });
      assert.deepEqual(removed, [{ subscription: "s", expired: 0, capped: 2 }]);
    }
    assert.deepEqual(await kept(folder), ["e1", "e4", "e5"]);
  }));

Deno.test("FileDeadLetterQueue.trim removes what is too old, counted from when it was added", () =>
  inFolder(async (folder) => {
    {
      let now = 1_700_000_000_000;
      await using queue = new FileDeadLetterQueue(folder, { now: () => now });
      for (let n = 1; n <= 3; n++) {
        await queue.addEvent(event(n), new Error("no"), "s");
        now += 100;
      }
      assert.deepEqual(await queue.trim({ topic: "t", retention: 301, max: 0 }), []);
      assert.deepEqual(await queue.trim({ topic: "u", retention: 1, max: 1 }), []);
      const removed = await queue.trim({ topic: "t", retention: 200, max: 0 });
      assert.deepEqual(removed, [{ subscription: "s", expired: 2, capped: 0 }]);
    }
    assert.deepEqual(await kept(folder), ["e3"]);
  }));
