/**
 * Handlers that never answer because their process dies: counted, delivered alone, and dead letters
 * in the end.
 */
import assert from "node:assert/strict";
import { describeDeadLetter } from "../../commands/dlq/show.ts";
import { palette } from "../../commands/terminal/colour.ts";
import type { DeadLetterDetail } from "../../core/protocol/protocol.ts";
import {
  connect,
  EventBroker,
  MemoryEventStore,
  SqliteEventStore,
  SqliteState,
} from "../../mod.ts";
import { startDaemon, type TestDaemon } from "../helpers/daemon.ts";
import { dose } from "../helpers/dose.ts";
import { evs, RunningEvs, until } from "../helpers/evs.ts";
import { testFolder } from "../helpers/folder.ts";

const program = decodeURIComponent(
  new URL("../helpers/dying_consumer.ts", import.meta.url).pathname,
);

interface Place {
  mode: "process" | "socket";
  path: string;
  log: string;
}

/** Runs the dying consumer once; true when it ended by itself. */
async function run(place: Place, options: Record<string, unknown> = {}): Promise<boolean> {
  const { mode, path, log } = place;
  const { code, signal, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "--quiet", "-A", program, mode, path, log, JSON.stringify(options)],
    stderr: "piped",
    stdout: "null",
  }).output();
  if (signal === "SIGKILL") return false;
  assert.equal(code, 0, new TextDecoder().decode(stderr));
  return true;
}

/** Runs it until it ends by itself; how often it was killed. `killed` is called each time. */
async function runToTheEnd(
  place: Place,
  options: Record<string, unknown> = {},
  { most = 40, killed = () => Promise.resolve() }: {
    most?: number;
    killed?: (times: number) => Promise<void>;
  } = {},
): Promise<number> {
  for (let times = 0;; times++) {
    assert.ok(times < most, "it is killed for ever");
    if (await run(place, options)) return times;
    await killed(times + 1);
  }
}

async function runsOf(log: string): Promise<Map<number, number[]>> {
  const runs = new Map<number, number[]>();
  for (const line of (await Deno.readTextFile(log)).split("\n").filter(Boolean)) {
    const [payload, delivery, attempt] = line.split(" ").map(Number);
    assert.equal(attempt, 1, line);
    runs.set(payload!, [...runs.get(payload!) ?? [], delivery!]);
  }
  return runs;
}

/** Runs `test` with the broker in the process that dies, and behind a socket. */
function inBoth(
  name: string,
  test: (
    place: Place,
    to: {
      publish(payloads: number[]): Promise<void>;
      /** Kills the daemon, where there is one, and starts it again. */
      restart(): Promise<void>;
      dead(): Promise<{ error: string; payload: unknown; unanswered: number | undefined }[]>;
    },
  ) => Promise<void>,
): void {
  Deno.test(`EventBroker ${name}`, async () => {
    const path = await testFolder("test");
    const open = () =>
      new EventBroker({
        state: new SqliteState(`${path}/state.db`),
        eventStore: new SqliteEventStore(`${path}/events.db`),
      });
    await test({ mode: "process", path, log: `${path}/runs.txt` }, {
      async publish(payloads) {
        await using broker = open();
        await broker.publishBatch("t", payloads.map((payload) => ({ type: "x", payload })));
      },
      restart: () => Promise.resolve(),
      async dead() {
        await using broker = open();
        return (await broker.getDeadLetterQueue().getEvents())
          .map(({ error, event, unanswered }) => ({ error, payload: event.payload, unanswered }));
      },
    });
    await Deno.remove(path, { recursive: true });
  });
  Deno.test(`RemoteBroker ${name}`, async () => {
    await using daemon = await startDaemon();
    await using broker = await connect({ socket: daemon.socket, onNotice() {} });
    await test({ mode: "socket", path: daemon.socket, log: `${daemon.folder}/log` }, {
      publish: async (payloads) => void await daemon.publish("t", "x", ...payloads),
      async restart() {
        await daemon.kill();
        await daemon.start();
      },
      dead: async () =>
        (await broker.getDeadLetterQueue().getEvents())
          .map(({ error, event, unanswered }) => ({ error, payload: event.payload, unanswered })),
    });
  });
}

inBoth(
  "makes a dead letter of an event whose handler ended its process so often, as one attempt",
  async (place, to) => {
    await to.publish([0, 1, 2]);
    assert.equal(await runToTheEnd(place), 3);
    const runs = await runsOf(place.log);
    assert.deepEqual(runs.get(0), [1, 2, 3]);
    assert.deepEqual([runs.get(1), runs.get(2)], [[1], [1]]);
    assert.deepEqual(await to.dead(), [{
      error: "ended 3 times without an answer",
      payload: 0,
      unanswered: 3,
    }]);
  },
);

inBoth("does not count what only waited in a prefetch of 1,000", async (place, to) => {
  const payloads = Array.from({ length: 1200 }, (_, i) => i + 1);
  payloads[600] = 0;
  await to.publish(payloads);
  assert.equal(await runToTheEnd(place, { prefetch: 1000, maxDeliveries: 4 }), 4);
  const runs = await runsOf(place.log);
  assert.equal(runs.get(0)!.length, 4);
  for (const payload of payloads.filter((one) => one > 0)) {
    const deliveries = runs.get(payload)!;
    assert.ok(deliveries.every((delivery) => delivery === 1), `${payload}: ${deliveries}`);
  }
  assert.deepEqual((await to.dead()).map(({ payload }) => payload), [0]);
});

inBoth(
  "delivers alone what ended its process twice, and blames nothing that ran beside it",
  async (place, to) => {
    await to.publish([1, 2, 0, 3]);
    const slow = [1, 2, 3];
    assert.equal(await runToTheEnd(place, { concurrency: 4, slow, maxDeliveries: 6 }), 6);
    const runs = await runsOf(place.log);
    assert.equal(runs.get(0)!.length, 6);
    for (const payload of slow) {
      const deliveries = runs.get(payload)!;
      assert.ok(deliveries.length <= 3 && deliveries.at(-1)! <= 3, `${payload}: ${deliveries}`);
    }
    assert.deepEqual((await to.dead()).map(({ payload }) => payload), [0]);
  },
);

inBoth(
  "counts every event of a batch that ended its process, and then each alone",
  async (place, to) => {
    await to.publish([1, 0, 2]);
    assert.equal(await runToTheEnd(place, { batch: 3, maxDeliveries: 4 }), 4);
    assert.deepEqual((await to.dead()).map(({ payload }) => payload), [0]);
  },
);

inBoth(
  "does not count ordered ends of a process, nor forgets what was counted",
  async (place, to) => {
    await to.publish([0]);
    assert.equal(await run(place, { maxDeliveries: 3 }), false);
    await to.publish([1]);
    assert.equal(await run(place, { maxDeliveries: 3 }), false);
    assert.equal(await runToTheEnd(place, { maxDeliveries: 3 }), 1);
    assert.deepEqual((await runsOf(place.log)).get(0), [1, 2, 3]);
  },
);

inBoth(
  "counts each end of a process once, through kills of handlers, consumers and the daemon",
  async (place, to) => {
    const [poison, maxDeliveries] = [dose(2), 5];
    const payloads = Array.from({ length: 200 * poison }, (_, i) => i + 1);
    for (let n = 0; n < poison; n++) payloads[200 * n + 100] = 0;
    await to.publish(payloads);
    const killed = await runToTheEnd(place, { prefetch: 1000, maxDeliveries }, {
      most: 2 * poison * maxDeliveries,
      killed: async (times) => {
        if (times % 3 === 0) await to.restart();
      },
    });
    assert.equal(killed, poison * maxDeliveries);
    const runs = await runsOf(place.log);
    for (const payload of payloads.filter((one) => one > 0)) {
      const deliveries = runs.get(payload)!;
      assert.ok(deliveries.every((delivery) => delivery === 1), `${payload}: ${deliveries}`);
    }
    const dead = await to.dead();
    assert.equal(dead.length, poison);
    for (const { error } of dead) assert.equal(error, "ended 5 times without an answer");
  },
);

/** A consumer over plain HTTP, with a connection that its leases are bound to. */
class BoundConsumer implements Disposable {
  readonly #client: Deno.HttpClient;
  #closed = false;

  constructor(at: TestDaemon) {
    this.#client = Deno.createHttpClient({ proxy: { transport: "unix", path: at.socket } });
  }

  // deno-lint-ignore no-explicit-any -- tests look into answers freely
  async post(verb: string, body: unknown): Promise<any> {
    const answer = await fetch(`http://localhost/v1/subscriptions/s/${verb}`, {
      client: this.#client,
      method: "POST",
      body: JSON.stringify(body),
    });
    return await answer.json();
  }

  async lease(): Promise<{ lease: string; delivery?: number }> {
    return (await this.post("lease", { bind: true, waitMs: 60_000 })).deliveries[0];
  }

  close(): void {
    if (!this.#closed) this.#client.close();
    this.#closed = true;
  }

  [Symbol.dispose](): void {
    this.close();
  }
}

async function waitFor(
  at: TestDaemon,
  condition: (info: { dead: number; leased: number }) => boolean,
) {
  await until(async () => condition((await at.http("GET", "/v1/subscriptions/s")).json));
}

Deno.test("consume tells its command which delivery it is, and makes a dead letter of what kills consume itself", async () => {
  await using at = await startDaemon();
  await at.publish("t", "x", 0, 1);
  const log = `${at.folder}/log`;
  const handler =
    `echo "$EVS_SEQ $EVS_DELIVERY $EVS_ATTEMPT" >>${log}; [ "$EVS_SEQ" != 1 ] || kill -9 $PPID`;
  const consume = ["consume", "t", "--name", "s", "--max-deliveries", "3", "--until-empty", "--"];
  for (let n = 0; n < 3; n++) {
    const killed = await evs([...consume, "sh", "-c", handler], { at });
    assert.notEqual(killed.code, 0, killed.stderr);
    await waitFor(at, ({ leased }) => leased === 0);
  }
  await waitFor(at, ({ dead }) => dead === 1);
  const done = await evs([...consume, "sh", "-c", handler], { at });
  assert.equal(done.code, 0, done.stderr);
  assert.equal(await Deno.readTextFile(log), "1 1 1\n1 2 1\n1 3 1\n2 1 1\n");
  const [dead] = (await evs(["dlq", "list"], { at })).stdout.split("\n").filter(Boolean);
  const { reason, id } = JSON.parse(dead!);
  assert.equal(reason, "ended 3 times without an answer");
  const detail = JSON.parse((await evs(["dlq", "show", id], { at })).stdout);
  assert.deepEqual(deliveriesOf(detail), [[1, 3, 3]]);
  const words = describeDeadLetter(detail, { ...ABOUT, maxDeliveries: 3 });
  assert.match(words, /\nunanswered +3 deliveries \(max deliveries 3\)\n/);
  assert.match(words, /\nattempt 1, delivery 3 \(3 unanswered\) /);
});

const ABOUT = { payload: "0", schema: "none registered", paint: palette(false) };

function deliveriesOf({ attempts }: DeadLetterDetail): (number | undefined)[][] {
  return attempts.map(({ attempt, delivery, unanswered }) => [attempt, delivery, unanswered]);
}

Deno.test("dlq show says which delivery each attempt was, and how many were never answered, through an export", async () => {
  await using at = await startDaemon();
  await at.publish("t", "x", 1);
  await at.http("PUT", "/v1/subscriptions/s", { topic: "t", settings: { maxRetries: 2 } });
  for (const dies of [0, 2, 1]) {
    for (let n = 0; n < dies; n++) {
      using consumer = new BoundConsumer(at);
      const { lease } = await consumer.lease();
      await consumer.post("begin", { leases: [lease] });
      consumer.close();
      await waitFor(at, ({ leased }) => leased === 0);
    }
    using consumer = new BoundConsumer(at);
    const { lease } = await consumer.lease();
    await consumer.post("nack", { deliveries: [{ lease, error: "no", afterMs: 0 }] });
  }
  const [{ id }] = await at.replay("t");
  const shown = async (): Promise<DeadLetterDetail> =>
    JSON.parse((await evs(["dlq", "show", id], { at })).stdout);
  const expected = [[1, undefined, undefined], [2, 3, 2], [3, 2, 1]];
  const detail = await shown();
  assert.deepEqual(deliveriesOf(detail), expected);
  const words = describeDeadLetter(detail, ABOUT);
  assert.match(words, /\nunanswered +3 deliveries\n/);
  assert.match(
    words,
    /\nattempt 1 {2}.*\nattempt 2, delivery 3 \(2 unanswered\) {2}.*\nattempt 3, /,
  );
  const file = await evs(["dlq", "export"], { at });
  await evs(["dlq", "remove", "--all", "--yes"], { at });
  const back = await evs(["dlq", "import", "-"], { at, stdin: file.stdout });
  assert.equal(back.code, 0, back.stderr);
  assert.deepEqual(deliveriesOf(await shown()), expected);
});

Deno.test("a kill -9 of the daemon, its restarts and ordered stops of consume count as no delivery", async () => {
  await using at = await startDaemon();
  await at.publish("t", "x", 1);
  const log = `${at.folder}/log`;
  const gate = `${at.folder}/gate`;
  const handler =
    `echo "$EVS_DELIVERY $EVS_ATTEMPT" >>${log}; until [ -e ${gate} ]; do sleep 0.02; done`;
  const consume = [
    "consume",
    "t",
    "--name",
    "s",
    "--concurrency",
    "2",
    "--max-deliveries",
    "2",
    "--",
    "sh",
    "-c",
    handler,
  ];
  const began = async (times: number) =>
    await until(async () => {
      const text = await Deno.readTextFile(log).catch(() => "");
      return text.split("\n").length > times;
    });
  const first = new RunningEvs(consume, { at });
  await began(1);
  for (let n = 0; n < 2; n++) {
    if (n === 0) await at.kill();
    else await at.stop();
    await at.start();
    await waitFor(at, ({ leased }) => leased === 1);
  }
  first.child.kill("SIGTERM");
  await first.end();
  const second = new RunningEvs(consume, { at });
  await began(2);
  second.child.kill("SIGTERM");
  await second.end();
  const third = new RunningEvs(consume, { at });
  await began(3);
  await Deno.writeTextFile(gate, "");
  await until(async () => (await at.http("GET", "/v1/subscriptions/s")).json.pending === 0);
  await waitFor(at, ({ leased, dead }) => leased === 0 && dead === 0);
  third.child.kill("SIGTERM");
  await third.end();
  assert.equal(await Deno.readTextFile(log), "1 1\n1 1\n1 1\n");
});

Deno.test("a bound lease over plain HTTP counts as delivered once its begin was said, and only then", async () => {
  await using at = await startDaemon();
  await at.publish("t", "x", 1);
  await at.http("PUT", "/v1/subscriptions/s", { topic: "t", settings: { maxDeliveries: 2 } });
  const once = async (begins: boolean): Promise<number | undefined> => {
    using consumer = new BoundConsumer(at);
    const { lease, delivery } = await consumer.lease();
    if (begins) {
      const { settled, lost } = await consumer.post("begin", { leases: [lease] });
      assert.deepEqual([settled, lost], [1, []]);
    }
    consumer.close();
    await waitFor(at, ({ leased }) => leased === 0);
    return delivery;
  };
  assert.equal(await once(false), undefined);
  assert.equal(await once(true), undefined);
  assert.equal(await once(false), 2);
  assert.equal(await once(true), 2);
  await waitFor(at, ({ dead }) => dead === 1);
});

Deno.test("EventBroker in memory marks nothing as begun: it is gone with its process", async () => {
  await using broker = new EventBroker({ eventStore: new MemoryEventStore() });
  const deliveries: number[] = [];
  broker.subscribe("t", (_, { delivery }) => void deliveries.push(delivery), { name: "s" });
  await broker.publish("t", "x", 1);
  await broker.idle();
  assert.deepEqual(deliveries, [1]);
});
