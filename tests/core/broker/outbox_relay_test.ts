/**
 * When the outbox is looked into, and what happens where its events are not taken: over a clock that
 * the tests move and an outbox in memory. tests/system/postgres/outbox_test.ts has the real one.
 */
import assert from "node:assert/strict";
import { EventBroker, type OutboxTransaction, UnsupportedError } from "../../../mod.ts";
import { OutboxRelay } from "../../../core/broker/outbox_relay.ts";
import type { Moved, Outbox } from "../../../core/store/outbox.ts";
import type { Appended } from "../../../core/store/store.ts";
import { TopicLocks } from "../../../core/topic/locks.ts";
import { FakeClock } from "../../helpers/fake_clock.ts";

const MINUTE = 60_000;

/** Events that wait, by topic, and when it was looked into. */
class FakeOutbox implements Outbox {
  readonly waiting = new Map<string, number>();
  readonly looks: number[] = [];
  #listener: () => void = () => {};
  /** Thrown by the next looks. */
  away: Error | undefined;
  readonly #clock: FakeClock;

  constructor(clock: FakeClock) {
    this.#clock = clock;
  }

  put(): Promise<void> {
    throw new Error("nobody writes here");
  }

  async topics(): Promise<string[]> {
    await Promise.resolve();
    this.looks.push(this.#clock.monotonic());
    if (this.away) throw this.away;
    return [...this.waiting.keys()];
  }

  async move(topic: string): Promise<Moved> {
    await Promise.resolve();
    const count = this.waiting.get(topic) ?? 0;
    this.waiting.delete(topic);
    return { count, appended: { topic, firstSeq: 1, lastSeq: count } };
  }

  onUsed(listener: () => void): () => void {
    this.#listener = listener;
    return () => this.#listener = () => {};
  }

  /** As another process does. */
  used(): void {
    this.#listener();
  }
}

/** `missing`: topics that may not be made. */
function relayOn({ missing = [] }: { missing?: string[] } = {}) {
  const clock = new FakeClock();
  const outbox = new FakeOutbox(clock);
  const appended: Appended[] = [];
  const errors: string[] = [];
  const relay = new OutboxRelay({
    clock,
    outbox,
    topics: {
      locks: new TopicLocks(),
      ensure: (name) =>
        missing.includes(name)
          ? Promise.reject(new Error(`no topic ${name}`))
          : Promise.resolve({} as never),
    },
    appended: (events) => appended.push(events),
    onError: (error, context) => errors.push(`${context}: ${(error as Error).message}`),
  });
  return { clock, outbox, relay, appended, errors };
}

/** The times between looks. */
const gaps = (looks: readonly number[]) => looks.slice(1).map((at, i) => at - looks[i]!);

Deno.test("OutboxRelay looks at once when it starts, and rarely while nobody uses the outbox", async () => {
  const { clock, outbox, relay } = relayOn();
  outbox.waiting.set("t", 3);
  relay.start();
  await clock.pass(0);
  assert.equal(outbox.waiting.size, 0);
  await clock.pass(2 * MINUTE);
  outbox.looks.length = 0;
  await clock.pass(MINUTE);
  assert.equal(outbox.looks.length, 6);
  await relay.close();
});

Deno.test("OutboxRelay looks soon and then less often when an event was written here", async () => {
  const { clock, outbox, relay } = relayOn();
  relay.start();
  await clock.pass(0);
  await clock.pass(2 * MINUTE);
  outbox.looks.length = 0;
  const at = clock.monotonic();
  relay.expect();
  await clock.pass(3000);
  assert.equal(outbox.looks[0]! - at, 10);
  assert.deepEqual(gaps(outbox.looks).slice(0, 8), [20, 40, 80, 160, 320, 500, 500, 500]);
  await relay.close();
});

Deno.test("OutboxRelay looks twice a second for a minute when another process used the outbox", async () => {
  const { clock, outbox, relay } = relayOn();
  relay.start();
  await clock.pass(0);
  await clock.pass(2 * MINUTE);
  outbox.looks.length = 0;
  outbox.used();
  await clock.pass(MINUTE);
  assert.ok(outbox.looks.length >= 119, `${outbox.looks.length} looks`);
  outbox.looks.length = 0;
  await clock.pass(MINUTE);
  assert.ok(outbox.looks.length <= 7, `${outbox.looks.length} looks`);
  await relay.close();
});

Deno.test("OutboxRelay tells of what was appended", async () => {
  const { clock, outbox, relay, appended } = relayOn();
  relay.start();
  await clock.pass(0);
  outbox.waiting.set("a", 2).set("b", 1);
  relay.expect();
  await clock.pass(20);
  assert.deepEqual(appended, [
    { topic: "a", firstSeq: 1, lastSeq: 2 },
    { topic: "b", firstSeq: 1, lastSeq: 1 },
  ]);
  await relay.close();
});

Deno.test("OutboxRelay goes on with other topics when one takes no events, and tells it once", async () => {
  const missing = ["a"];
  const { clock, outbox, relay, appended, errors } = relayOn({ missing });
  outbox.waiting.set("a", 1).set("b", 1);
  relay.start();
  await clock.pass(0);
  await clock.pass(MINUTE);
  assert.deepEqual(appended.map(({ topic }) => topic), ["b"]);
  assert.deepEqual(errors, ["the outbox, for the topic a: no topic a"]);
  // Once it is made, what waits is appended.
  missing.pop();
  await clock.pass(MINUTE);
  assert.deepEqual(appended.map(({ topic }) => topic), ["b", "a"]);
  // Told again if it happens again.
  missing.push("a");
  outbox.waiting.set("a", 1);
  await clock.pass(MINUTE);
  assert.equal(errors.length, 2);
  await relay.close();
});

Deno.test("OutboxRelay tries ever less often while the database is away, and tells it once", async () => {
  const { clock, outbox, relay, errors } = relayOn();
  outbox.away = new Error("away");
  relay.start();
  await clock.pass(0);
  await clock.pass(MINUTE);
  assert.deepEqual(errors, ["the outbox: away"]);
  assert.deepEqual(gaps(outbox.looks).slice(0, 8), [
    100,
    200,
    400,
    800,
    1600,
    3200,
    6400,
    10_000,
  ]);
  outbox.away = undefined;
  outbox.waiting.set("t", 1);
  await clock.pass(MINUTE);
  assert.equal(outbox.waiting.size, 0);
  await relay.close();
});

Deno.test("OutboxRelay looks no more when it is closed", async () => {
  const { clock, outbox, relay } = relayOn();
  relay.start();
  relay.expect();
  await relay.close();
  outbox.looks.length = 0;
  outbox.used();
  await clock.pass(MINUTE);
  assert.deepEqual(outbox.looks, []);
  assert.equal(clock.timers, 0);
});

Deno.test("EventBroker refuses publishIn in words when its events are not in PostgreSQL", async () => {
  await using broker = new EventBroker();
  const tx: OutboxTransaction = {
    unsafe: () => {
      throw new Error("something was written");
    },
  };
  await assert.rejects(broker.publishIn(tx, "t", "x", 1), (error: UnsupportedError) => {
    assert.ok(error instanceof UnsupportedError);
    assert.equal(error.code, "store/no-outbox");
    assert.match(error.message, /has its events in PostgreSQL/);
    return true;
  });
  assert.equal(broker.getTopic("t"), undefined);
});
