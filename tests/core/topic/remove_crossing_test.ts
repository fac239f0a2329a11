/**
 * Random acts on two topics that cross each other: at no moment at which the process may end does
 * the store have events of a topic that the state does not know, and everybody's events keep their
 * order.
 */
import assert from "node:assert/strict";
import fc from "../../packages/fast_check.ts";
import { EventBroker } from "../../../core/broker/event_broker.ts";
import { NotFoundError } from "../../../core/base/errors.ts";
import { MemoryState } from "../../../core/state/memory.ts";
import { MemoryEventStore } from "../../../core/store/memory.ts";
import { dose } from "../../helpers/dose.ts";
import { assertSeeded } from "../../helpers/seed.ts";

const topic = fc.constantFrom("t", "u");
const act = fc.oneof(
  { weight: 4, arbitrary: fc.record({ do: fc.constant("publish" as const), topic }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant("publish to both" as const), topic }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("schedule" as const), topic }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("create" as const), topic }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("update" as const), topic }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant("remove" as const), topic }) },
);
type Act = typeof act extends fc.Arbitrary<infer T> ? T : never;

/** Lets each call of some methods take some turns, before and after its work. */
function delay<K extends string>(
  target: { [key in K]: (...args: never[]) => Promise<unknown> },
  { methods, turns, done }: { methods: readonly K[]; turns: () => number; done: () => void },
): void {
  for (const method of methods) {
    const work = target[method].bind(target) as (...args: unknown[]) => Promise<unknown>;
    // One after another, as a store and a state do it.
    let last: Promise<unknown> = Promise.resolve();
    const slow = (...args: unknown[]) => {
      const mine = last.then(async () => {
        for (let n = turns(); n > 0; n--) await null;
        const result = await work(...args);
        done();
        for (let n = turns(); n > 0; n--) await null;
        return result;
      });
      last = mine.catch(() => {}); // the caller gets the error
      return mine;
    };
    Object.assign(target, { [method]: slow });
  }
}

async function run(acts: readonly { act: Act; turns: number }[], waits: readonly number[]) {
  const state = new MemoryState();
  const eventStore = new MemoryEventStore();
  let used = 0;
  const turns = () => waits[used++ % waits.length]!;
  const topicsOfState = () => state.load().topics.map(({ name }) => name).toSorted();
  const unknown: string[] = [];
  const done = () => {
    for (const name of ["t", "u"]) {
      const { firstSeq, lastSeq } = eventStore.head(name);
      if (firstSeq <= lastSeq && !topicsOfState().includes(name)) unknown.push(name);
    }
  };
  delay(eventStore, { methods: ["append", "removeTopic"], turns, done });
  delay(state, { methods: ["commit"], turns, done });
  const broker = new EventBroker({ state, eventStore });
  const seqs = { t: [] as number[], u: [] as number[] };
  const sent: Promise<unknown>[] = [];
  const publish = async (both: boolean, topic: "t" | "u", n: number) => {
    const topics = both ? ["t", "u"] : [topic];
    const messages = topics.map((name) => ({ topic: name, type: "x", payload: n }));
    const events = both ? await broker.publishAll(messages) : [await broker.publish(topic, "x", n)];
    for (const { topic, seq } of events) seqs[topic as "t" | "u"][n] = seq!;
  };
  for (const [n, { act, turns }] of acts.entries()) {
    const { do: what, topic } = act;
    const work = {
      "publish": () => publish(false, topic, n),
      "publish to both": () => publish(true, topic, n),
      "schedule": () => broker.publish(topic, "x", n, { schedule: { delayMs: 60_000 } }),
      "create": () => broker.topics.create(topic),
      "update": () => broker.topics.update(topic, { maxEvents: 1000 }),
      "remove": () => broker.topics.remove(topic),
    }[what];
    const isMaybeGone = what === "update" || what === "remove";
    sent.push(
      work().catch((error) => {
        if (!isMaybeGone || !(error instanceof NotFoundError)) throw error;
      }),
    );
    for (let n = turns; n > 0; n--) await null;
  }
  await Promise.all(sent);
  assert.deepEqual(unknown, [], "topics that a start after a kill would not have known");
  for (const [topic, all] of Object.entries(seqs)) {
    const got = all.filter((seq) => seq !== undefined);
    assert.deepEqual(got, got.toSorted((a, b) => a - b), `the order of ${topic}`);
    assert.equal(eventStore.head(topic).lastSeq, got.at(-1) ?? 0);
  }
  const names = broker.topics.names().toSorted();
  assert.deepEqual(topicsOfState(), names);
  for (const { topic } of state.load().scheduled ?? []) assert.ok(names.includes(topic), topic);
  assert.equal(state.load().scheduled?.length ?? 0, broker.scheduled.size);
  await broker.close();
}

Deno.test("TopicCatalog.remove and whatever crosses it leave no events without a topic, and keep the order", async () => {
  const turns = fc.integer({ min: 0, max: 12 });
  await assertSeeded(
    fc.asyncProperty(
      fc.array(fc.record({ act, turns }), { minLength: 2, maxLength: 14 }),
      fc.array(turns, { minLength: 3, maxLength: 20 }),
      run,
    ),
    { numRuns: dose(300), file: "tests/core/topic/remove_crossing_test.ts" },
  );
});
