/** evs doctor warns of events that a consumer of a running daemon has held for too long. */
import assert from "node:assert/strict";
import { Client } from "../../core/client/client.ts";
import type { CheckContext } from "../../core/doctor/checks/check.ts";
import { heldTooLong } from "../../core/doctor/checks/held_leases.ts";
import type { Diagnosis } from "../../core/doctor/checks/diagnosis.ts";
import { checks, examine } from "../../core/doctor/doctor.ts";
import type { InFlightInfo } from "../../core/protocol/in_flight.ts";
import { startDaemon, type TestDaemon } from "../helpers/daemon.ts";
import { evs, RunningEvs, until } from "../helpers/evs.ts";

const MINUTE = 60_000;
/** A handler that runs as long as its consumer does. */
const HANDLER = 'consumer=$PPID; while kill -0 "$consumer" 2>/dev/null; do sleep 0.05; done';

/** What doctor finds of held events when it is `now`. */
async function look(at: TestDaemon, now: number): Promise<Diagnosis[]> {
  using client = new Client({ socket: at.socket });
  const context: CheckContext = {
    dataDir: at.dataDir,
    socket: at.socket,
    quick: true,
    now,
    room: () => Promise.resolve({ free: 1, size: 1 }),
    status: await client.status(),
    ask: (path) => client.call<unknown>({ method: "GET", path }),
  };
  const found: Diagnosis[] = [];
  const held = checks.filter(({ name }) => name === "held-leases");
  assert.equal(held.length, 1);
  for await (const one of examine(context, held)) found.push(one);
  return found;
}

async function inFlight(at: TestDaemon, name: string): Promise<InFlightInfo[]> {
  return (await at.http("GET", `/v1/subscriptions/${name}`)).json.inFlight;
}

Deno.test("evs doctor names the event and the process when a handler has not answered for too long", async () => {
  await using at = await startDaemon();
  await at.publish("orders", "placed", 1, 2);
  await at.http("PUT", "/v1/subscriptions/idle", { topic: "orders" });
  const consume = ["consume", "orders", "--name", "billing", "--", "sh", "-c", HANDLER];
  const running = new RunningEvs(consume, { at });
  const begun = async () =>
    (await at.http("GET", "/v1/subscriptions")).json.subscriptions.length === 2 &&
    (await inFlight(at, "billing")).some(({ begun }) => begun);
  await until(begun);
  const [{ id, since, leaseMs }] = await inFlight(at, "billing") as [InFlightInfo];
  const limit = Math.max(10 * MINUTE, 10 * leaseMs!);
  assert.deepEqual(await look(at, since + limit), [], "not yet");
  const [warning, ...others] = await look(at, since + limit + 2 * MINUTE);
  assert.deepEqual(others, []);
  assert.deepEqual([warning!.level, warning!.where], ["warning", "billing"]);
  const { pid } = running.child;
  assert.match(
    warning!.what,
    new RegExp(
      `^process ${pid} on .* \\(sh -c .*\\) has held event 1 of orders \\(${id}\\) ` +
        `for ${limit / MINUTE + 2}m without an answer`,
    ),
  );
  assert.match(
    warning!.hint!,
    new RegExp(`^evs subscription show billing .* kill ${pid}, .* consume --timeout `),
  );
  assert.equal(warning!.details!["seq"], 1);
  // It is no damage, and now it is none at all.
  const { code, stdout } = await evs(["doctor", "--quick"], { at });
  assert.equal(code, 0);
  assert.doesNotMatch(stdout, /held-leases/);
  // What the hint says gives the event back.
  Deno.kill(pid, "SIGTERM");
  await running.end();
  await until(async () => (await inFlight(at, "billing")).length === 0);
  assert.deepEqual(await look(at, since + 10 * limit), []);
});

Deno.test("evs doctor allows ten times as long as a lease was asked for, and gathers what one consumer holds", async () => {
  await using at = await startDaemon();
  await at.publish("orders", "placed", 1, 2, 3);
  await at.http("PUT", "/v1/subscriptions/billing", { topic: "orders" });
  await at.http("POST", "/v1/subscriptions/billing/lease", { max: 3, leaseMs: 5 * MINUTE });
  const [{ since }] = await inFlight(at, "billing") as [InFlightInfo];
  assert.deepEqual(await look(at, since + 50 * MINUTE), []);
  const [warning, ...others] = await look(at, since + 51 * MINUTE);
  assert.deepEqual(others, []);
  assert.match(
    warning!.what,
    /^a consumer that does not say who it is has held event 1 of orders \(.*\) and 2 other events for 51m /,
  );
  assert.match(warning!.hint!, /^evs subscription show billing /);
});

Deno.test("heldTooLong passes over what waits behind a handler that has begun, and over a clock that was put back", () => {
  const of = (id: string | undefined, more: Partial<InFlightInfo>): InFlightInfo => ({
    topic: "t",
    seq: 1,
    id: "x",
    type: "x",
    attempt: 1,
    delivery: 1,
    unanswered: 0,
    since: 0,
    leaseMs: 1000,
    consumer: id === undefined ? undefined : { id },
    ...more,
  });
  const held = [
    of("a", { seq: 1, begun: true }),
    of("a", { seq: 2 }),
    of("b", { seq: 3 }),
    of(undefined, { seq: 4, begun: true }),
    of(undefined, { seq: 5 }),
    of("c", { seq: 6, since: 5 * MINUTE, begun: true }),
  ];
  assert.deepEqual(heldTooLong(held, 11 * MINUTE).map(({ seq }) => seq), [1, 3, 4, 5]);
  assert.deepEqual(heldTooLong(held, -MINUTE), []);
});
