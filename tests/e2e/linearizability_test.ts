/**
 * What several clients at once are told of a topic has one order, in which each request took effect
 * between its call and its answer: appends with and without an expectation of a seq or of a number
 * within a key, and reads of the topic's end, of its events and of a key's newest. Of a real daemon,
 * with both stores, through kills, standstills, cut connections and lost answers. Judged by
 * tests/linearizability/checker.ts; tests/system/porcupine_test.ts asks Porcupine, too.
 */
import assert from "node:assert/strict";
import { startDaemon } from "../helpers/daemon.ts";
import { dose } from "../helpers/dose.ts";
import { seed } from "../helpers/seed.ts";
import { STORES } from "../helpers/stores.ts";
import { told, violationOf } from "../linearizability/checker.ts";
import { byTopic, type Operation } from "../linearizability/history.ts";
import { type Fault, record } from "../linearizability/recorder.ts";

const FAULTS: readonly Fault[] = ["lose answers", "kill", "cut", "stop", "kill", "lose answers"];

function judge(history: readonly Operation[]): void {
  for (const [topic, operations] of byTopic(history)) {
    const violation = violationOf(operations);
    assert.equal(
      violation,
      undefined,
      violation && `EVS_SEED=${seed}: ${topic} ${told(violation)}`,
    );
  }
}

for (const store of STORES) {
  Deno.test(`what clients are told of a topic is linearizable (${store})`, async () => {
    await using daemon = await startDaemon({ store });
    const history = await record(daemon, { seed, clients: 6, each: 100, faults: [] });
    // The clients met each other.
    assert.ok(history.some(({ told }) => told !== null && "conflict" in told));
    judge(history);
  });

  Deno.test(`it is through kills, standstills and cut connections, too (${store})`, async () => {
    await using daemon = await startDaemon({ store });
    const faults = Array.from({ length: dose(1) }, () => FAULTS).flat();
    const history = await record(daemon, {
      seed,
      clients: 6,
      each: 60 * faults.length,
      faults,
    });
    assert.ok(history.some(({ told }) => told === null), "some got no answer");
    assert.ok(history.some(({ told }) => told !== null && "seq" in told && told.duplicate));
    judge(history);
  });
}
