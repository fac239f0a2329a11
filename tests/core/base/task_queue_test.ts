/** Actions that wait until it is time: in order, one at a time, and an error ends only its own. */
import assert from "node:assert/strict";
import { TaskQueue } from "../../../core/base/task_queue.ts";

Deno.test("TaskQueue runs nothing before it is time, and then all in order, one at a time", async () => {
  const queue = new TaskQueue();
  const log: string[] = [];
  const first = Promise.withResolvers<void>();
  void queue.add(async () => {
    log.push("one");
    await first.promise;
    log.push("one ends");
    void queue.add(() => void log.push("three"));
  });
  void queue.add(() => void log.push("two"));
  await Promise.resolve();
  assert.deepEqual([log, queue.length], [[], 2]);
  const running = [queue.run(), queue.run()];
  first.resolve();
  await Promise.all(running);
  assert.deepEqual(log, ["one", "one ends", "two", "three"]);
  assert.equal(queue.length, 0);
});

Deno.test("TaskQueue tells an error to who added the action, and goes on", async () => {
  const queue = new TaskQueue();
  const added = queue.add(() => {
    throw new Error("no");
  });
  const next = queue.add(() => {});
  await Promise.all([assert.rejects(added, /no/), queue.run()]);
  await next;
});
