/**
 * With more topics than a start inspects, the daemon trusts its checkpoint: changes to a topic's
 * files while it was down are detected when the topic is read, and by evs doctor, and no number is
 * reused.
 */
import assert from "node:assert/strict";
import { startDaemon, type TestDaemon } from "../helpers/daemon.ts";
import { evs } from "../helpers/evs.ts";
import { flipBit } from "../helpers/flip.ts";

/** More than a start looks into. */
const TOPICS = Array.from({ length: 120 }, (_, n) => `many.${n + 1}`);

function segmentOf(daemon: TestDaemon, topic: string): string {
  return `${daemon.dataDir}/events/${topic}/0000000000000001.ndjson`;
}

async function withManyTopics(): Promise<TestDaemon> {
  const daemon = await startDaemon({ store: "file" });
  for (const topic of TOPICS) await daemon.publish(topic, "made", { topic }, { topic });
  await daemon.stop();
  return daemon;
}

async function seqs(daemon: TestDaemon, topic: string): Promise<number[]> {
  return (await daemon.replay(topic)).map(({ seq }: { seq: number }) => seq);
}

Deno.test("daemon of many topics finds on reading what was damaged while it was down, and evs doctor finds it before", async () => {
  await using daemon = await withManyTopics();
  flipBit(segmentOf(daemon, "many.7"), { byte: 20, bit: 1 });
  Deno.writeTextFileSync(segmentOf(daemon, "many.8"), '{"seq":3,"topic":"man', { append: true });
  const stopped = await evs(["doctor"], { at: daemon });
  assert.equal(stopped.code, 1, stopped.stdout);
  assert.match(stopped.stdout, /many\.7/);

  await daemon.start();
  const topics = (await daemon.http("GET", "/v1/topics")).json.topics;
  assert.deepEqual(topics.map(({ name }: { name: string }) => name), [...TOPICS].sort());
  assert.ok(topics.every(({ lastSeq }: { lastSeq: number }) => lastSeq === 2));
  assert.equal((await daemon.http("GET", "/v1/status")).json.health, "ok");
  const running = await evs(["doctor"], { at: daemon });
  assert.equal(running.code, 1, running.stdout);
  assert.match(running.stdout, /many\.7/);

  assert.deepEqual(await seqs(daemon, "many.7"), []);
  const status = (await daemon.http("GET", "/v1/status")).json;
  assert.equal(status.health, "degraded");
  assert.match(status.problems.join(), /topic many\.7, events 1 to 2/);

  // Where an append was torn, its piece is cut before the next one; and no number comes twice.
  for (const topic of ["many.7", "many.8", "many.9"]) {
    assert.equal((await daemon.publish(topic, "made", {})).lastSeq, 3, topic);
  }
  assert.deepEqual(await seqs(daemon, "many.8"), [1, 2, 3]);
  assert.deepEqual(await seqs(daemon, "many.9"), [1, 2, 3]);
  assert.deepEqual(await seqs(daemon, "many.7"), [3]);
});

Deno.test("daemon of many topics knows after a kill all that it acknowledged, of topics old and new", async () => {
  await using daemon = await withManyTopics();
  await daemon.start();
  await daemon.publish("many.3", "made", {});
  await daemon.publish("new", "made", {}, {});
  await daemon.http("DELETE", "/v1/topics/many.4");
  await daemon.kill();
  await daemon.start();
  assert.deepEqual(await seqs(daemon, "many.3"), [1, 2, 3]);
  assert.deepEqual(await seqs(daemon, "new"), [1, 2]);
  assert.deepEqual(await seqs(daemon, "many.5"), [1, 2]);
  assert.equal((await daemon.publish("many.4", "made", {})).firstSeq, 3);
  const doctor = await evs(["doctor"], { at: daemon });
  assert.equal(doctor.code, 0, doctor.stdout);
});
