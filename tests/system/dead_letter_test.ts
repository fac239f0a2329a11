/**
 * Contract row 6: an event is in exactly one of done, pending, dead; a crash never resets its
 * attempts; retrying a dead letter never loses it. A handler that always fails, in a loop of kills.
 */
import assert from "node:assert/strict";
import { Client } from "../../core/client/client.ts";
import type { DeadLetterDetail, LeaseReply } from "../../core/protocol/protocol.ts";
import { ConnectionLostError, NoDaemonError } from "../../core/base/errors.ts";
import { newDaemon, type TestDaemon } from "../helpers/daemon.ts";
import { dose } from "../helpers/dose.ts";

const KILLS = dose(20);
const EVENTS = Math.max(60, KILLS * 6);
const MAX_RETRIES = 2;
const NAME = "failing";
/** The maximum number of deliveries in one lease response. */
const LEASED = 7;

interface Delivered {
  seq: number;
}

/** Deliveries that this test has seen, with what it knows of each event's attempts. */
class Book {
  /** The highest attempt whose failure the daemon has confirmed, by seq. */
  readonly confirmed = new Map<number, number>();
  settled = 0;
  /** Pending while the daemon is being killed and started again. */
  serving: Promise<void> = Promise.resolve();
  /** The test has ended, well or not. */
  over = false;
  #changed = Promise.withResolvers<void>();

  /** An attempt that was confirmed once never comes again. */
  deliver(seq: number, attempt: number): void {
    const before = this.confirmed.get(seq) ?? 0;
    assert.ok(attempt > before, `seq ${seq} came as attempt ${attempt} after ${before} had failed`);
    assert.ok(attempt <= MAX_RETRIES + 1);
  }

  confirm(seq: number, attempt: number): void {
    this.confirmed.set(seq, attempt);
    this.settled++;
    this.#changed.resolve();
    this.#changed = Promise.withResolvers();
  }

  async more(count: number): Promise<void> {
    const goal = this.settled + count;
    while (this.settled < goal) await this.#changed.promise;
  }
}

function gone(error: unknown): boolean {
  return error instanceof ConnectionLostError || error instanceof NoDaemonError;
}

/** Leases and fails every delivery until nothing is left; continues after each kill. */
async function failAll(daemon: TestDaemon, book: Book): Promise<void> {
  while (true) {
    using client = new Client({ socket: daemon.socket });
    try {
      while (true) {
        const leased = await client.lease(NAME, {
          max: LEASED,
          waitMs: 5000,
          bind: true,
          untilEmpty: true,
        });
        if (isEmpty(leased)) return;
        await fail(client, leased, book);
      }
    } catch (error) {
      if (!gone(error)) throw error;
      if (book.over) return;
      await book.serving;
    }
  }
}

function isEmpty({ deliveries, pending, leased, scheduled }: LeaseReply): boolean {
  return deliveries.length + pending + leased + scheduled === 0;
}

async function fail(client: Client, { deliveries }: LeaseReply, book: Book): Promise<void> {
  for (const { event, attempt } of deliveries) book.deliver((event as Delivered).seq, attempt);
  assert.ok(book.settled < EVENTS * (MAX_RETRIES + 2) + KILLS * LEASED, "events come for ever");
  const items = deliveries.map(({ lease, attempt }) => ({
    lease,
    error: `attempt ${attempt} failed`,
    exitCode: 1,
  }));
  const { outcomes } = await client.nack(NAME, { deliveries: items });
  deliveries.forEach(({ event, attempt }, i) => {
    assert.equal(outcomes?.[i], attempt > MAX_RETRIES ? "dead" : "retry");
    book.confirm((event as Delivered).seq, attempt);
  });
}

/** Where each event is; nothing is done, so these add up to all. */
async function assertNoneLost(client: Client): Promise<void> {
  const { pending, leased, scheduled, dead } = await client.subscription(NAME);
  assert.equal(pending + leased + scheduled + dead, EVENTS, "in exactly one of pending and dead");
}

async function allDead(client: Client): Promise<DeadLetterDetail[]> {
  const details: DeadLetterDetail[] = [];
  let after: string | undefined;
  do {
    const response = await client.deadLetters({ subscription: NAME, limit: 100, after });
    after = response.headers.get("evs-next") ?? undefined;
    for await (const line of response.lines()) {
      const { id } = JSON.parse(new TextDecoder().decode(line));
      const found = await client.deadLetter(`${NAME}:${id}`);
      assert.equal(found.length, 1);
      details.push(found[0]!);
    }
  } while (after !== undefined);
  return details;
}

async function subscribeTo(daemon: TestDaemon): Promise<void> {
  await daemon.publish("work", "job", ...Array.from({ length: EVENTS }, (_, i) => i + 1));
  using client = new Client({ socket: daemon.socket });
  await client.putSubscription(NAME, {
    topic: "work",
    settings: {
      maxRetries: MAX_RETRIES,
      backoff: { kind: "fixed", base: 1, max: 1, jitter: false },
    },
  });
}

Deno.test(`every event ends dead with all its attempts, through ${KILLS} kills`, async () => {
  await using daemon = await newDaemon();
  await daemon.start();
  await subscribeTo(daemon);
  const book = new Book();
  using _over = { [Symbol.dispose]: () => void (book.over = true) };
  const failing = failAll(daemon, book);
  const perKill = Math.floor(EVENTS * (MAX_RETRIES + 1) / (KILLS + 2));
  for (let kill = 0; kill < KILLS; kill++) {
    await Promise.race([book.more(1 + Math.floor(Math.random() * perKill)), failing]);
    const { promise, resolve } = Promise.withResolvers<void>();
    book.serving = promise;
    await daemon.kill();
    await daemon.start();
    resolve();
    using client = new Client({ socket: daemon.socket });
    await assertNoneLost(client);
  }
  await failing;

  using client = new Client({ socket: daemon.socket });
  const dead = await allDead(client);
  assert.equal(new Set(dead.map(({ seq }) => seq)).size, EVENTS);
  for (const { attempts } of dead) {
    // What was in flight at a kill is either counted or delivered again: the numbers increase
    // without a gap.
    assert.deepEqual(attempts.map(({ attempt }) => attempt), [1, 2, 3]);
    assert.equal(attempts.at(-1)!.outcome, "dead");
  }

  await retryThroughKills(daemon);
});

/** `dlq retry --all` while the daemon is killed: each event is dead or pending, never neither. */
async function retryThroughKills(daemon: TestDaemon): Promise<void> {
  for (let round = 0; round < 3; round++) {
    using client = new Client({ socket: daemon.socket });
    const retry = client.retryDeadLetters({ all: true }).catch((error) => {
      if (!gone(error)) throw error;
    });
    await daemon.kill();
    await retry;
    await daemon.start();
    using after = new Client({ socket: daemon.socket });
    await assertNoneLost(after);
  }
  using client = new Client({ socket: daemon.socket });
  await client.retryDeadLetters({ all: true });
  assert.equal((await client.subscription(NAME)).dead, 0);
  await assertNoneLost(client);
  const done = new Set<number>();
  while (true) {
    const leased = await client.lease(NAME, { max: 100, waitMs: 5000, untilEmpty: true });
    if (isEmpty(leased)) break;
    for (const { event, attempt } of leased.deliveries) {
      assert.equal(attempt, MAX_RETRIES + 2, "the history goes on");
      done.add((event as Delivered).seq);
    }
    await client.ack(NAME, { leases: leased.deliveries.map(({ lease }) => lease) });
  }
  assert.equal(done.size, EVENTS);
  const info = await client.subscription(NAME);
  assert.deepEqual([info.pending, info.leased, info.scheduled, info.dead], [0, 0, 0, 0]);
  assert.equal(info.cursors[0]!.next, EVENTS + 1);
}
