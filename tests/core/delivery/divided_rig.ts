/** Two brokers on one state that divide a subscription, for tests. */
import assert from "node:assert/strict";
import { EventBroker } from "../../../mod.ts";
import { ClosedError } from "../../../core/base/errors.ts";
import type { Lease } from "../../../core/delivery/leases.ts";
import type { DeliveryQueue } from "../../../core/delivery/queue.ts";
import type { LeaseRequest, SubscriptionRequest } from "../../../core/protocol/protocol.ts";
import { FakeClock } from "../../helpers/fake_clock.ts";
import { nextTurn } from "../../helpers/late_state.ts";
import { SharedMemory } from "../../helpers/shared_catalog_state.ts";

/** As good as for ever, by a clock that stands. */
export const LONG_MS = 3_600_000;

/** More turns than anything here takes. */
const MANY_TURNS = 3000;

/** Waits for a condition, turn by turn. */
export async function until(holds: () => boolean): Promise<void> {
  for (let turns = 0; !holds(); turns++) {
    assert.ok(turns < MANY_TURNS, `it never holds that ${holds}`);
    await nextTurn();
  }
}

/** Lets everything settle that is under way and waits for no timer. */
export async function quiet(): Promise<void> {
  for (let turns = 0; turns < 40; turns++) await nextTurn();
}

/** Two brokers on one state, with a topic and a subscription `s`. */
export class DividedRig {
  readonly clock = new FakeClock();
  readonly shared = new SharedMemory({ clock: this.clock });
  readonly errors: unknown[] = [];
  readonly brokers = new Map<string, EventBroker>();
  /** The test is over. */
  isOver = false;

  static async start(request: Partial<SubscriptionRequest> = {}): Promise<DividedRig> {
    const rig = new DividedRig();
    await Promise.all(["a", "b"].map((name) => rig.add(name)));
    await rig.a.topics.create("t");
    await rig.a.subscriptions.put("s", { topic: "t", ...request });
    await until(() => rig.b.subscriptions.has("s"));
    return rig;
  }

  async add(name: string): Promise<EventBroker> {
    const broker = this.begin(name);
    await broker.ready;
    return broker;
  }

  /** Starts a broker, in place of the one that had its name. */
  begin(name: string, node = name): EventBroker {
    const broker = new EventBroker({
      clock: this.clock,
      state: this.shared.node(node),
      eventStore: this.shared.events,
      onError: (error) => this.errors.push(error),
    });
    this.brokers.set(name, broker);
    return broker;
  }

  get a(): EventBroker {
    return this.brokers.get("a")!;
  }

  get b(): EventBroker {
    return this.brokers.get("b")!;
  }

  /** Publishes so many events, with as many keys. */
  async publish(count: number, from = 0): Promise<void> {
    for (let n = from; n < from + count; n++) await this.a.publish("t", "x", n, { key: `k${n}` });
  }

  async lease(broker: EventBroker, request: Partial<LeaseRequest> = {}): Promise<Lease[]> {
    const leased = await broker.subscriptions.lease("s", { max: 1000, ...request }, {
      consumer: "c",
    });
    return leased.deliveries;
  }

  /** A consumer of a broker waits for events that are not to come, until the broker is closed. */
  want(broker: EventBroker): void {
    this.lease(broker, { waitMs: LONG_MS }).then(
      (leases) => this.errors.push(new Error(`it got ${leases.length} events`)),
      (error) => void (error instanceof ClosedError || this.errors.push(error)),
    );
  }

  /** How many parts each node owns. */
  owned(): Record<string, number> {
    const counts: Record<string, number> = {};
    for (const owner of this.shared.claims.owners("s")) {
      counts[owner ?? "-"] = (counts[owner ?? "-"] ?? 0) + 1;
    }
    return counts;
  }

  queue(broker: EventBroker): DeliveryQueue {
    return broker.subscriptions.require("s").queue;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.isOver = true;
    for (const broker of this.brokers.values()) await broker.close();
    assert.deepEqual(this.errors, []);
  }
}

export const tokensOf = (leases: readonly Lease[]): string[] => leases.map(({ token }) => token);
export const seqsOf = (leases: readonly Lease[]): number[] =>
  leases.map(({ entry }) => entry.seq).sort((a, b) => a - b);
export const upTo = (count: number): number[] => Array.from({ length: count }, (_, i) => i + 1);
