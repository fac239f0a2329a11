/** Server-sent events as the npm package eventsource reads them, over the socket. */
import assert from "node:assert/strict";
import { EventSource } from "../packages/eventsource.ts";
import { newDaemon, startDaemon, type TestDaemon } from "../helpers/daemon.ts";
import { until } from "../helpers/evs.ts";

/** A follower, what it received, and what its requests asked for. */
class Follower implements Disposable {
  readonly received: { id: string; type: string; data: { seq: number; payload: unknown } }[] = [];
  readonly missed: unknown[] = [];
  /** The `Last-Event-ID` of each request. */
  readonly resumed: (string | null)[] = [];
  readonly source: EventSource;
  readonly #client: Deno.HttpClient;

  constructor(daemon: TestDaemon, path: string, types: readonly string[]) {
    this.#client = Deno.createHttpClient({ proxy: { transport: "unix", path: daemon.socket } });
    this.source = new EventSource(`http://localhost${path}`, {
      fetch: (url, init) => {
        const headers = new Headers(init.headers as HeadersInit);
        this.resumed.push(headers.get("last-event-id"));
        return fetch(url, { ...init as RequestInit, client: this.#client } as RequestInit);
      },
    });
    for (const type of types) {
      this.source.addEventListener(type, ({ lastEventId: id, data }) => {
        this.received.push({ id, type, data: JSON.parse(data) });
      });
    }
    this.source.addEventListener("missed", ({ data }) => this.missed.push(JSON.parse(data)));
  }

  get payloads(): unknown[] {
    return this.received.map(({ data }) => data.payload);
  }

  [Symbol.dispose](): void {
    this.source.close();
    this.#client.close();
  }
}

Deno.test("an EventSource gets stored events and new ones, each with its position", async () => {
  await using daemon = await startDaemon();
  await daemon.publish("orders", "placed", { n: 1 }, { text: "two\nlines \u2028" });
  const path = "/v1/topics/orders/events?follow=1&from=start";
  using follower = new Follower(daemon, path, ["placed", "paid"]);
  await until(() => follower.received.length === 2);
  await daemon.publish("orders", "paid", 3);
  await daemon.publish("orders", "other", 4); // nobody listens for it
  await daemon.publish("orders", "paid", 5);
  await until(() => follower.received.length === 4);
  assert.deepEqual(follower.payloads, [{ n: 1 }, { text: "two\nlines \u2028" }, 3, 5]);
  assert.deepEqual(follower.received.map(({ id, type }) => `${id} ${type}`), [
    "orders:1 placed",
    "orders:2 placed",
    "orders:3 paid",
    "orders:5 paid",
  ]);
});

Deno.test("an EventSource goes on behind its last event when the daemon is killed", async () => {
  await using daemon = await newDaemon();
  await daemon.start();
  await daemon.publish("orders", "placed", 1, 2);
  const path = "/v1/events?topic=orders&topic=pay.*&follow=1&from=start";
  using follower = new Follower(daemon, path, ["placed"]);
  await until(() => follower.received.length === 2);
  await daemon.publish("pay.eu", "placed", 3);
  await until(() => follower.received.length === 3);
  for (const [i, topic] of ["orders", "pay.eu", "pay.us"].entries()) {
    await daemon.kill();
    await daemon.start();
    await daemon.publish(topic, "placed", 4 + i);
    await until(() => follower.received.length === 4 + i);
  }
  assert.deepEqual(follower.payloads, [1, 2, 3, 4, 5, 6]);
  assert.equal(follower.resumed[0], null);
  assert.ok(follower.resumed.includes("orders:2,pay.eu:1"), follower.resumed.join(" "));
  assert.equal(follower.received.at(-1)?.id, "orders:3,pay.eu:2,pay.us:1");
});

Deno.test("an EventSource is told of events that were deleted before it came", async () => {
  await using daemon = await startDaemon();
  await daemon.publish("orders", "placed", 1, 2, 3);
  await daemon.http("PATCH", "/v1/topics/orders", { maxEvents: 1 });
  await until(async () => await daemon.countOf("orders") === 1);
  using follower = new Follower(daemon, "/v1/topics/orders/events?follow=1&from=1", ["placed"]);
  await until(() => follower.received.length === 1);
  assert.deepEqual(follower.payloads, [3]);
  assert.deepEqual(follower.missed, [{ topic: "orders", from: 1, to: 2, count: 2 }]);
});
