/**
 * A redaction that is asked on one node while another has the event in its hands: what it said is
 * nowhere afterwards, whatever that other one does with what it had read.
 */
import assert from "node:assert/strict";
import { EventBroker } from "../../../mod.ts";
import { CannotStoreError } from "../../../core/base/errors.ts";
import { partOf } from "../../../core/event/part.ts";
import { redactedKey } from "../../../core/event/redaction.ts";
import { lazyPostgres } from "../../../core/postgres/connection.ts";
import { PostgresState } from "../../../core/state/postgres/postgres_state.ts";
import { PostgresEventStore } from "../../../core/store/postgres/postgres_event_store.ts";
import { emptyDatabase, endServer, giveBack } from "./states.ts";

Deno.test.afterAll(endServer);

const SECRET = "the-secret-of-alice";

async function node(url: string) {
  const state = await PostgresState.open(url);
  const broker = new EventBroker({ state, eventStore: await PostgresEventStore.open(url) });
  await broker.ready;
  return {
    broker,
    async [Symbol.asyncDispose]() {
      await broker.close();
      await state.close();
    },
  };
}

Deno.test("a redaction reaches what another node has leased, and what that has read ahead", async () => {
  const url = await emptyDatabase();
  {
    await using owner = await node(url);
    await using asked = await node(url);
    const { subscriptions } = owner.broker;
    await subscriptions.put("s", { topic: "t" });
    for (const id of ["leased", "read"]) {
      await owner.broker.publish("t", "x", { of: SECRET }, { id, key: "k" });
    }
    const next = async () => {
      const { deliveries } = await subscriptions.lease(
        "s",
        { max: 1, waitMs: 60_000 },
        { consumer: "c" },
      );
      const [delivery] = deliveries;
      return { token: delivery!.token, said: new TextDecoder().decode(delivery!.line) };
    };
    const leased = await next();
    assert.ok(leased.said.includes(SECRET));
    while (asked.broker.topics.get("t") === undefined) {
      await new Promise((go) => setTimeout(go, 10));
    }
    for (const id of ["leased", "read"]) await asked.broker.redact("t", id);
    const { outcomes } = await subscriptions.nack("s", [{ lease: leased.token, error: "no" }]);
    assert.deepEqual(outcomes, ["lost"]);
    // Until the owner has heard of it, it delivers what is left of an event.
    const request = { max: 2, waitMs: 1000 };
    const { deliveries } = await subscriptions.lease("s", request, { consumer: "c" });
    for (const { token, line } of deliveries) {
      const said = new TextDecoder().decode(line);
      assert.ok(!said.includes(SECRET), said);
      await subscriptions.nack("s", [{ lease: token, error: "no", dead: true }]);
    }
  }
  const postgres = lazyPostgres(url);
  for (const table of ["events", "retries", "dead_letters"]) {
    const [row] = await postgres.query<{ rows: string }>(
      "read",
      `SELECT coalesce(string_agg(${table}::text, ' '), '') AS rows FROM evs.${table}`,
    );
    const hex = new TextEncoder().encode(SECRET).toHex();
    assert.ok(!row!.rows.includes(SECRET) && !row!.rows.includes(hex), table);
  }
  await postgres.close();
  await giveBack(url);
});

Deno.test("a redaction that was interrupted takes the part that its event had when it goes on", async () => {
  const url = await emptyDatabase();
  const KEY = "k";
  const raw = lazyPostgres(url);
  const state = await PostgresState.open(url);
  let left = Infinity;
  const { transact } = state;
  Object.assign(state, {
    transact: (act: Parameters<typeof transact>[0]) =>
      left-- > 0 ? transact(act) : Promise.reject(new CannotStoreError("interrupted")),
  });
  const eventStore = await PostgresEventStore.open(url);
  const broker = new EventBroker({ state, eventStore });
  try {
    await broker.subscriptions.put("s", { topic: "t" });
    const { seq } = await broker.publish("t", "x", { of: SECRET }, { key: KEY });
    const parts = broker.subscriptions.require("s").record.parts!;
    const part = partOf({ seq: seq!, key: KEY }, parts);
    assert.notEqual(part, partOf({ seq: seq!, key: await redactedKey("t", KEY) }, parts));
    const epoch = async () => {
      const sql = "SELECT epoch FROM evs.claims WHERE subscription = 's' AND part = $1";
      return Number((await raw.query<{ epoch: number }>("read", sql, [part]))[0]?.epoch ?? 0);
    };
    // The last step, after the store has replaced the event with its key.
    left = 2;
    await assert.rejects(broker.redact("t", seq!), /interrupted/);
    const { events: [stored] } = await eventStore.readPage("t", {
      from: seq!,
      to: seq!,
      limit: 1,
    });
    assert.equal(stored!.key, await redactedKey("t", KEY));
    const before = await epoch();
    left = Infinity;
    await broker.redact("t", seq!);
    assert.ok(await epoch() > before, "what another node had read of it is void");
  } finally {
    await broker.close();
    await raw.close();
    await giveBack(url);
  }
});
