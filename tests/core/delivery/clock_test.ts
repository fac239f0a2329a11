/** Retries with a wrong wall clock: at a start, while running, permanently. Contract row 28. */
import assert from "node:assert/strict";
import fc from "../../packages/fast_check.ts";
import { EventBroker } from "../../../core/broker/event_broker.ts";
import { MemoryState } from "../../../core/state/memory.ts";
import { SqliteState } from "../../../core/state/sqlite.ts";
import type { State } from "../../../core/state/state.ts";
import { MemoryEventStore } from "../../../core/store/memory.ts";
import { dose } from "../../helpers/dose.ts";
import { FakeClock } from "../../helpers/fake_clock.ts";
import { unpackFixture } from "../../helpers/fixture.ts";
import { inFolder } from "../../helpers/start.ts";

const DAY = 86_400_000;
const WAIT = 2000;

const STATES: Record<string, (folder: string) => State> = {
  MemoryState: () => new MemoryState(),
  SqliteState: (folder) => new SqliteState(`${folder}/state.db`),
};

/** A broker with one event that failed once and waits for its retry; it can be started again. */
class Rig {
  readonly clock = new FakeClock();
  readonly #eventStore = new MemoryEventStore();
  readonly #state: State;
  #broker: EventBroker;

  constructor(state: State) {
    this.#state = state;
    this.#broker = this.#open();
  }

  #open(): EventBroker {
    // Closed without its state and its store, which stay open.
    const state = new Proxy(this.#state, {
      get: (target, name) => {
        if (name === "close") return () => Promise.resolve();
        const value = Reflect.get(target, name);
        return typeof value === "function" ? value.bind(target) : value;
      },
    });
    return new EventBroker({ clock: this.clock, state, eventStore: this.#eventStore });
  }

  async fail(): Promise<void> {
    await this.#broker.publish("t", "x", 1);
    const backoff = { kind: "fixed" as const, base: WAIT, max: WAIT, jitter: false };
    await this.#broker.subscriptions.put("s", { topic: "t", settings: { backoff } });
    const [delivery] = await this.take();
    await this.#broker.subscriptions.nack("s", [{ lease: delivery!.token, error: "no" }]);
  }

  async take() {
    return (await this.#broker.subscriptions.lease("s", { max: 1 }, { consumer: "c" })).deliveries;
  }

  async restart(): Promise<void> {
    await this.#broker.close();
    this.#broker = this.#open();
    await this.#broker.subscriptions.ready;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#broker.close();
    await this.#state.close();
  }
}

for (const [name, open] of Object.entries(STATES)) {
  Deno.test(`SubscriptionManager on ${name} puts a retry off by its wait at most when the clock is put back before a start`, () =>
    inFolder(async (folder) => {
      await using rig = new Rig(open(folder));
      await rig.fail();
      rig.clock.jump(-DAY);
      await rig.restart();
      await rig.clock.pass(WAIT - 1);
      assert.deepEqual(await rig.take(), []);
      await rig.clock.pass(1);
      assert.equal((await rig.take()).length, 1);
    }));

  Deno.test(`SubscriptionManager on ${name} counts a wait once when the clock stays behind and starts are many`, () =>
    inFolder(async (folder) => {
      await using rig = new Rig(open(folder));
      await rig.fail();
      rig.clock.jump(-DAY);
      for (let waited = 0; waited < WAIT; waited += 500) {
        await rig.restart();
        assert.deepEqual(await rig.take(), [], `after ${waited} ms`);
        await rig.clock.pass(500);
      }
      await rig.restart();
      assert.equal((await rig.take()).length, 1);
    }));

  Deno.test(`SubscriptionManager on ${name} makes no clock put a retry off beyond its wait for each time that it was put back`, () =>
    inFolder(async (folder) => {
      const step = fc.oneof(
        fc.record({ kind: fc.constant("jump" as const), ms: fc.integer({ min: -DAY, max: DAY }) }),
        fc.record({ kind: fc.constant("pass" as const), ms: fc.integer({ min: 1, max: WAIT }) }),
        fc.record({ kind: fc.constant("restart" as const), ms: fc.constant(0) }),
      );
      let run = 0;
      await fc.assert(
        fc.asyncProperty(fc.array(step, { maxLength: 12 }), async (steps) => {
          const own = `${folder}/${++run}`;
          await Deno.mkdir(own);
          await using rig = new Rig(open(own));
          await rig.fail();
          const since = rig.clock.monotonic();
          let back = 0;
          let ahead = false;
          for (const { kind, ms } of steps) {
            if (kind === "jump") rig.clock.jump(ms);
            else if (kind === "restart") await rig.restart();
            else await rig.clock.pass(ms);
            if (kind === "jump" && ms < 0) back++;
            if (kind === "jump" && ms > 0) ahead = true;
            const waited = rig.clock.monotonic() - since;
            const came = (await rig.take()).length === 1;
            // A clock that was put forward may end the wait at a start: by no more than all of it.
            if (came) return assert.ok(waited >= WAIT || ahead, `it came after ${waited} ms`);
            assert.ok(waited < WAIT * (back + 1), `it waits still after ${waited} ms`);
          }
        }),
        { numRuns: dose(100) },
      );
    }));
}

Deno.test("SqliteState gives retries of older formats the wait that they were set with", () =>
  inFolder(async (folder) => {
    await unpackFixture("format-1", folder);
    const state = new SqliteState(`${folder}/state.db`);
    const waits = state.load().retries.map(({ waitMs }) => waitMs);
    await state.close();
    assert.equal(waits.length, 3);
    for (const wait of waits) {
      assert.ok(wait >= 3_600_000 && wait < 3_660_000, `${wait} ms, of an hour`);
    }
  }));
