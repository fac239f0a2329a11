/** The history: a row for a minute in which something happened, none while nothing does. */
import assert from "node:assert/strict";
import { EventBroker } from "../../core/broker/event_broker.ts";
import { HistoryFile } from "../../core/history/history_file.ts";
import { CannotStoreError } from "../../core/base/errors.ts";
import { HistoryKeeper, historyLog } from "../../daemon/history.ts";
import { HistorySource } from "../../daemon/history_source.ts";
import { openLog } from "../../daemon/log.ts";
import { Metrics } from "../../daemon/metrics.ts";
import { FakeClock } from "../helpers/fake_clock.ts";
import { testFolder } from "../helpers/folder.ts";

const MINUTE = 60_000;
const START = 1_700_000_040_000; // a whole minute

/** A broker whose history is kept, and what it does to the clock, the disk and the log. */
class Kept implements AsyncDisposable {
  readonly folder: string;
  readonly clock: FakeClock;
  readonly log: string[] = [];
  broker!: EventBroker;
  metrics!: Metrics;
  keeper!: HistoryKeeper;
  isFull = false;
  /** Thrown instead of storing a row. */
  fault: Error | undefined;

  constructor(folder: string, clock: FakeClock) {
    this.folder = folder;
    this.clock = clock;
    this.start();
  }

  get path(): string {
    return `${this.folder}/history`;
  }

  get rows(): number {
    const file = new HistoryFile(this.path, { onDamage: (what) => assert.fail(what) });
    return file.read([], { first: () => 0 }).stamps.length;
  }

  start(): void {
    const { clock, folder } = this;
    const broker = this.broker = new EventBroker({ clock });
    const metrics = this.metrics = new Metrics(clock);
    const file = new HistoryFile(this.path, { onDamage: (what) => this.log.push(what) });
    const append = file.append.bind(file);
    file.append = (sample) => {
      if (this.fault) throw this.fault;
      append(sample);
    };
    this.keeper = new HistoryKeeper({
      file,
      source: new HistorySource({ broker, metrics, dataDir: folder, clock, connections: () => 1 }),
      clock,
      isFull: () => this.isFull,
      log: {
        failed: (error) => this.log.push((error as Error).message),
        goesOn: () => this.log.push("goes on"),
      },
    });
    broker.onCommit(() => this.keeper.note());
  }

  async publish(topic: string, count: number): Promise<void> {
    for (let i = 0; i < count; i++) await this.broker.publish(topic, "n", i);
  }

  /** A column of the last minutes, the current one included. */
  async column(
    name: string,
    { minutes, ...of }: { minutes: number; topic?: string; subscription?: string },
  ): Promise<unknown> {
    const now = Math.floor(this.clock.now() / MINUTE) * MINUTE;
    const names = of.topic !== undefined
      ? [{ kind: "topics" as const, name: of.topic }]
      : of.subscription !== undefined
      ? [{ kind: "subscriptions" as const, name: of.subscription }]
      : [];
    const steps = { from: now - (minutes - 1) * MINUTE, step: MINUTE, count: minutes };
    const reply = await this.keeper.read({ names, ...steps });
    const series = reply.daemon ?? reply.topics?.[0] ?? reply.subscriptions?.[0];
    return (series as unknown as Record<string, unknown>)[name];
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.keeper.stop();
    await this.broker.close();
    await Deno.remove(this.folder, { recursive: true });
  }
}

async function keep(): Promise<Kept> {
  return new Kept(await testFolder("test"), new FakeClock(START));
}

Deno.test("HistoryKeeper stores a row at the end of a minute in which something happened, and then no timer runs", async () => {
  await using kept = await keep();
  assert.equal(kept.clock.timers, 1, "a start is a change");
  await kept.clock.pass(MINUTE);
  assert.equal(kept.rows, 1);
  await kept.clock.pass(60 * MINUTE);
  assert.equal(kept.rows, 1);
  assert.equal(kept.clock.timers, 0);
  await kept.clock.pass(20_000);
  await kept.publish("t", 3);
  await kept.publish("t", 2);
  await kept.clock.pass(40_000);
  assert.equal(kept.rows, 2);
  await kept.clock.pass(10 * MINUTE);
  assert.equal(kept.rows, 2);
  assert.equal(kept.clock.timers, 0);
  // From the minute before the start to the current one.
  const published = await kept.column("published", { minutes: 74 });
  const expected = new Array<number | null>(74).fill(0);
  [expected[0], expected[62]] = [null, 5];
  assert.deepEqual(published, expected);
});

Deno.test("HistoryKeeper stores no row for requests that change nothing", async () => {
  await using kept = await keep();
  await kept.clock.pass(MINUTE);
  for (let i = 0; i < 5; i++) {
    kept.keeper.note();
    await kept.clock.pass(MINUTE);
  }
  assert.equal(kept.rows, 1);
  kept.metrics.refuse("event/too-large");
  kept.keeper.note();
  await kept.clock.pass(MINUTE);
  assert.equal(kept.rows, 2);
  assert.deepEqual(await kept.column("refused", { minutes: 3 }), [0, 1, 0]);
});

Deno.test("HistoryKeeper tells of subscriptions what they acknowledge, fail and leave to wait", async () => {
  await using kept = await keep();
  const { broker, clock } = kept;
  await broker.createTopic("t");
  let fails = false;
  const subscription = await broker.subscribe("t", () => {
    if (fails) throw new Error("no");
  }, { name: "s", maxRetries: 0 });
  await kept.publish("t", 4);
  await broker.idle();
  await clock.pass(MINUTE);
  fails = true;
  await kept.publish("t", 2);
  await broker.idle();
  await clock.pass(MINUTE);
  subscription.pause();
  await kept.publish("t", 3);
  const of = { minutes: 3, subscription: "s" };
  assert.deepEqual(await kept.column("acknowledged", of), [4, 0, 0]);
  assert.deepEqual(await kept.column("failed", of), [0, 2, 0]);
  assert.deepEqual(await kept.column("dead", of), [0, 2, 0]);
  assert.deepEqual(await kept.column("deadLetters", of), [0, 2, 2]);
  assert.deepEqual(await kept.column("dead", { minutes: 3 }), [0, 2, 0], "over all subscriptions");
  assert.deepEqual(await kept.column("published", { minutes: 3, topic: "t" }), [4, 2, 3]);
  assert.deepEqual(await kept.column("lastSeq", { minutes: 3, topic: "t" }), [4, 6, 9]);
});

Deno.test("HistoryKeeper counts nothing twice, nor below 0, over a restart and what was removed", async () => {
  await using kept = await keep();
  await kept.publish("t", 5);
  await kept.publish("u", 100);
  await kept.clock.pass(MINUTE);
  await kept.broker.topics.remove("t");
  await kept.broker.createTopic("t");
  await kept.publish("t", 2);
  await kept.clock.pass(MINUTE);
  assert.deepEqual(await kept.column("published", { minutes: 3, topic: "t" }), [5, 2, 0]);
  await kept.publish("t", 1);
  await kept.clock.pass(30_000);
  kept.keeper.stop();
  // Down for five minutes.
  await kept.clock.pass(5 * MINUTE);
  kept.start();
  await kept.publish("t", 7);
  await kept.clock.pass(MINUTE);
  const expected = [5, 2, 1, null, null, null, null, 7, 0];
  assert.deepEqual(await kept.column("published", { minutes: 9, topic: "t" }), expected);
  assert.deepEqual(await kept.column("published", { minutes: 9 }), [
    105,
    2,
    1,
    null,
    null,
    null,
    null,
    7,
    0,
  ]);
  // It comes back with nothing of before.
  await kept.broker.topics.remove("t");
  await kept.publish("u", 1);
  await kept.clock.pass(MINUTE);
  await kept.publish("t", 1);
  await kept.clock.pass(MINUTE);
  const again = await kept.column("published", { minutes: 3, topic: "t" }) as unknown[];
  assert.deepEqual(again.slice(0, 2), [null, 1]);
});

Deno.test("HistoryKeeper makes no gap and no loss of a wall clock that is set, and stays in order", async () => {
  for (const jump of [-3_600_000, 3_600_000]) {
    await using kept = await keep();
    await kept.publish("t", 1);
    await kept.clock.pass(MINUTE);
    await kept.publish("t", 2);
    await kept.clock.pass(MINUTE);
    kept.clock.jump(jump);
    await kept.publish("t", 4);
    await kept.clock.pass(MINUTE);
    await kept.publish("t", 8);
    const published = await kept.column("published", { minutes: 120 }) as (number | null)[];
    const counts = published.filter((count) => (count ?? 0) > 0);
    assert.deepEqual(counts, [1, 2, 4, 8], String(jump));
  }
});

Deno.test("HistoryKeeper says once that no row can be stored, and counts what is missing later", async () => {
  await using kept = await keep();
  await kept.clock.pass(MINUTE);
  kept.fault = new Error("no room");
  for (let i = 0; i < 3; i++) {
    await kept.publish("t", 1);
    await kept.clock.pass(MINUTE);
  }
  assert.deepEqual(kept.log, ["no room"]);
  kept.fault = undefined;
  await kept.publish("t", 1);
  await kept.clock.pass(MINUTE);
  assert.deepEqual(kept.log, ["no room", "goes on"]);
  const published = await kept.column("published", { minutes: 5 }) as number[];
  assert.equal(published.reduce((sum, count) => sum + count), 4);
});

Deno.test("HistoryKeeper leaves the rest of a full disk to events", async () => {
  await using kept = await keep();
  kept.isFull = true;
  await kept.publish("t", 2);
  await kept.clock.pass(MINUTE);
  assert.equal(kept.rows, 0);
  assert.deepEqual(kept.log, []);
  kept.isFull = false;
  await kept.publish("t", 3);
  await kept.clock.pass(MINUTE);
  assert.equal(kept.rows, 1);
  const published = await kept.column("published", { minutes: 3 }) as number[];
  assert.equal(published.reduce((sum, count) => sum + count), 5);
});

Deno.test("HistoryKeeper without a file tells what is there now, and nothing more", async () => {
  await using kept = await keep();
  const { clock, broker, metrics, folder } = kept;
  const source = new HistorySource({
    broker,
    metrics,
    dataDir: folder,
    clock,
    connections: () => 1,
  });
  const log = { failed: () => {}, goesOn: () => {} };
  const keeper = new HistoryKeeper({ file: undefined, source, clock, isFull: () => false, log });
  await kept.publish("t", 3);
  keeper.note();
  const steps = { from: START - MINUTE, step: MINUTE, count: 2 };
  const { topics } = await keeper.read({ names: [{ kind: "topics", name: "t" }], ...steps });
  const [topic] = topics!;
  assert.deepEqual([topic!.kept, topic!.lastSeq, topic!.published], [false, [null, 3], [
    null,
    null,
  ]]);
  keeper.stop();
});

Deno.test("historyLog says in words why nothing is kept when whatever is thrown", async () => {
  const folder = await testFolder("test");
  const log = openLog(folder, { logLevel: "info", logMaxBytes: 1e6 });
  try {
    const { failed, goesOn } = historyLog(log.logger);
    failed(new CannotStoreError("PostgreSQL at db:5432/events cannot be used now"));
    failed("no such thing");
    goesOn();
    const lines = Deno.readTextFileSync(`${folder}/daemon.log`).trim().split("\n")
      .map((line) => JSON.parse(line));
    assert.deepEqual(lines.map(({ message }) => message), [
      "the history is not kept: PostgreSQL at db:5432/events cannot be used now",
      "the history is not kept: no such thing",
      "the history is kept again",
    ]);
    assert.ok(lines[0].error.stack, "whoever looks for the place finds it");
  } finally {
    log.close();
    await Deno.remove(folder, { recursive: true });
  }
});
