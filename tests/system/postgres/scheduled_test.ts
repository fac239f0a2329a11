/**
 * Scheduled events of nodes on one PostgreSQL: each is accepted, listed, cancelled and redacted on
 * any node, and published once when it is due by the database's clock, by whichever node is there.
 */
import assert from "node:assert/strict";
import type { ScheduleOption } from "../../../core/event/schedule.ts";
import { ConflictError, NotFoundError } from "../../../mod.ts";
import { until } from "../../helpers/evs.ts";
import { endServer } from "./states.ts";
import { type SchedulingNode, SettableClock, withNodes } from "./scheduling_nodes.ts";

Deno.test.afterAll(endServer);

const HOUR = 3_600_000;

function schedule(
  { broker }: SchedulingNode,
  id: string,
  schedule: ScheduleOption,
  { topic = "t", ...options }: { topic?: string; ttlMs?: number; key?: string } = {},
) {
  return broker.publish(topic, "later", { of: id }, { id, schedule, ...options });
}

const idsIn = async ({ store }: SchedulingNode, topic = "t") =>
  (await store.getEvents(topic)).map(({ id }) => id);

/** What waits is an hour closer, and the nodes look. */
async function anHourPasses(sql: (text: string) => Promise<unknown>, node: SchedulingNode) {
  await sql(`UPDATE evs.scheduled SET due_at = due_at - ${HOUR}`);
  await schedule(node, "wakes", { delayMs: HOUR }, { topic: "other" });
}

const waiting = async ({ broker }: SchedulingNode) =>
  (await broker.scheduledEvents()).scheduled.map(({ id }) => id);

Deno.test("an event that one node accepts waits on all of them, and is published once", () =>
  withNodes(async ({ url, open, sql }) => {
    const [here, there] = [await open(url), await open(url)];
    await schedule(here, "later", { delayMs: HOUR });
    for (let n = 0; n < 3; n++) await here.broker.publish("u", "now", n);
    await schedule(there, "latest", { at: Date.now() + 2 * HOUR }, { topic: "u" });
    // A backup is restored by that where one process has it for itself.
    const rows = await sql("SELECT number, after_seq FROM evs.scheduled ORDER BY number");
    assert.deepEqual(rows, [{ number: 1, after_seq: 0 }, { number: 2, after_seq: 3 }]);
    const soon = await schedule(here, "soon", { delayMs: 50 });
    assert.equal(soon.seq, undefined);
    for (const node of [here, there]) {
      assert.deepEqual((await waiting(node)).slice(-2), ["later", "latest"]);
    }
    await until(async () => (await idsIn(there)).length === 1);
    await until(() => here.broker.scheduled.size === 2 && there.broker.scheduled.size === 2);
    assert.deepEqual(await idsIn(there), ["soon"]);
    const [event] = await there.store.getEvents("t");
    assert.deepEqual([event!.seq, event!.payload], [1, { of: "soon" }]);
    assert.deepEqual([...here.errors, ...there.errors], []);
  }));

Deno.test("events that are due at once are published in the order of their times", () =>
  withNodes(async ({ url, open, sql }) => {
    const [here, there] = [await open(url), await open(url)];
    const at = Date.now() + HOUR;
    const ids = Array.from({ length: 300 }, (_, n) => `e${n}`);
    const due = (n: number) => at + Math.floor(n / 10);
    await Promise.all(
      ids.map((id, n) => schedule(n % 2 ? here : there, id, { at: due(n) })),
    );
    await anHourPasses(sql, here);
    await until(async () => (await idsIn(here)).length === ids.length);
    const times = (await idsIn(here)).map((id) => due(ids.indexOf(id)));
    assert.deepEqual(times, times.toSorted((a, b) => a - b));
    assert.equal(new Set(await idsIn(here)).size, ids.length);
  }));

Deno.test("a page of what waits is the same on every node", () =>
  withNodes(async ({ url, open }) => {
    const [here, there] = [await open(url), await open(url)];
    const at = Date.now() + HOUR;
    for (let n = 0; n < 10; n++) {
      await schedule(n % 2 ? here : there, `e${n}`, { at: at + n % 3 }, {
        topic: n < 7 ? "t" : "u",
      });
    }
    const all = (await here.broker.scheduledEvents()).scheduled;
    assert.deepEqual(all, (await there.broker.scheduledEvents()).scheduled);
    const listed = [];
    let after: string | undefined;
    do {
      const page = await there.broker.scheduledEvents({ topic: "t", limit: 3, after });
      assert.equal(page.total, 7);
      listed.push(...page.scheduled);
      after = page.next;
    } while (after !== undefined);
    assert.deepEqual(listed, all.filter(({ topic }) => topic === "t"));
  }));

Deno.test("a node cancels what another one has accepted, all of it or nothing", () =>
  withNodes(async ({ url, open }) => {
    const [here, there] = [await open(url), await open(url)];
    for (const id of ["a", "b", "c"]) await schedule(here, id, { delayMs: HOUR });
    await assert.rejects(there.broker.cancelScheduled({ ids: ["a", "nobody"] }), NotFoundError);
    await assert.rejects(there.broker.cancelScheduled({ ids: ["a"], topic: "u" }), NotFoundError);
    assert.deepEqual(await waiting(here), ["a", "b", "c"]);
    assert.deepEqual(await there.broker.cancelScheduled({ ids: ["a", "c"] }), { count: 2 });
    assert.deepEqual(await waiting(here), ["b"]);
    // Its id is free.
    const again = await schedule(here, "a", { delayMs: HOUR });
    assert.equal(again.seq, undefined);
    assert.deepEqual((await waiting(there)).sort(), ["a", "b"]);
  }));

Deno.test("an id that waits on one node is a repeat on another", () =>
  withNodes(async ({ url, open }) => {
    const [here, there] = [await open(url), await open(url)];
    const { timestamp } = await schedule(here, "a", { delayMs: HOUR });
    const again = await schedule(there, "a", { delayMs: 2 * HOUR });
    assert.equal(again.timestamp, timestamp);
    const published = await there.broker.publish("t", "now", {}, { id: "a" });
    assert.equal(published.seq, undefined);
    const batch = await there.broker.publishBatch("t", [
      { type: "now", payload: {}, id: "a" },
      { type: "now", payload: {}, id: "b" },
      { type: "now", payload: {} },
    ]);
    assert.deepEqual(batch.map(({ seq }) => seq), [undefined, 1, 2]);
    assert.equal(await there.store.find("t", "a"), undefined);
    const group = [
      { topic: "t", type: "now", payload: {}, id: "c" },
      { topic: "t", type: "now", payload: {}, id: "a" },
    ];
    await assert.rejects(there.broker.publishAll(group), (error: ConflictError) => {
      assert.ok(error instanceof ConflictError);
      assert.match(error.message, /^an event is scheduled under an id of this group/);
      return true;
    });
    assert.equal(await there.store.find("t", "c"), undefined);
    const expecting = there.broker.publishBatch("t", [
      { type: "now", payload: {}, id: "a" },
      { type: "now", payload: {}, id: "d" },
    ], { expected: 2 });
    await assert.rejects(expecting, ConflictError);
    // The same id in another topic is another event.
    assert.equal((await there.broker.publish("u", "now", {}, { id: "a" })).seq, 1);
    // One that was published is a repeat for those who would publish it later.
    assert.equal((await schedule(here, "b", { delayMs: HOUR })).seq, 1);
    assert.deepEqual(await waiting(here), ["a"]);
  }));

Deno.test("what is due by the database's clock is due, whatever the clocks of nodes say", () =>
  withNodes(async ({ url, open }) => {
    const clock = new SettableClock();
    const [wrong, right] = [await open(url, { clock }), await open(url)];
    for (const offset of [2 * HOUR, -2 * HOUR]) {
      // It is told of that at the next beat, and that may be a minute away.
      clock.offset = offset;
      const name = `by${offset / HOUR}h`;
      const due = [];
      for (const [node, id] of [[wrong, "wrong"], [right, "right"]] as const) {
        await schedule(node, `${id}-${name}`, { delayMs: HOUR });
        const { scheduled } = await right.broker.scheduledEvents();
        due.push(scheduled.find((one) => one.id === `${id}-${name}`)!.dueAt);
      }
      assert.ok(Math.abs(due[0]! - due[1]!) < HOUR, String(due));
      await schedule(wrong, `soon-${name}`, { delayMs: 50 });
      await schedule(wrong, `at-once-${name}`, { at: Date.now() - 1 });
      await schedule(wrong, `later-${name}`, { at: Date.now() + HOUR });
      const isDue = [`soon-${name}`, `at-once-${name}`];
      await until(async () => {
        const there = await idsIn(right);
        return isDue.every((id) => there.includes(id));
      });
    }
    const kept = ["later", "wrong", "right"].flatMap((id) => [`${id}-by2h`, `${id}-by-2h`]);
    assert.deepEqual((await waiting(wrong)).sort(), kept.sort());
    assert.equal((await idsIn(right)).length, 4);
  }));

Deno.test("what was cancelled on one node is not published, and what was published is not cancelled", () =>
  withNodes(async ({ url, open }) => {
    const [here, there] = [await open(url), await open(url)];
    const ids = Array.from({ length: 60 }, (_, n) => `e${n}`);
    await Promise.all(ids.map((id, n) => schedule(here, id, { delayMs: 300 + n * 5 })));
    const cancelled: string[] = [];
    // Each of them at about the moment at which it is due.
    await Promise.all(ids.map(async (id, n) => {
      await new Promise((resolve) => setTimeout(resolve, 200 + n * 5 + Math.random() * 200));
      const node = n % 2 ? here : there;
      await node.broker.cancelScheduled({ ids: [id] }).then(
        () => cancelled.push(id),
        (error) => assert.ok(error instanceof NotFoundError, String(error)),
      );
    }));
    await until(async () => (await waiting(here)).length === 0);
    assert.deepEqual([...await idsIn(here), ...cancelled].sort(), ids.toSorted());
    assert.deepEqual([...here.errors, ...there.errors], []);
  }));

Deno.test("one id that several nodes accept at the same moment is one event", () =>
  withNodes(async ({ url, open }) => {
    const nodes = [await open(url), await open(url), await open(url)];
    await nodes[0]!.broker.topics.create("t");
    const ids = Array.from({ length: 30 }, (_, n) => `e${n}`);
    await Promise.all(ids.flatMap((id, n) =>
      nodes.map((node, i) =>
        // On one of them it is to be published at once, of some.
        n % 3 === 0 && i === 2
          ? node.broker.publish("t", "now", {}, { id })
          : schedule(node, id, { delayMs: 300 })
      )
    ));
    await until(async () => (await waiting(nodes[0]!)).length === 0);
    assert.deepEqual((await idsIn(nodes[0]!)).sort(), ids.toSorted());
  }));

Deno.test("a topic takes what is scheduled for it along, whichever node removes it", () =>
  withNodes(async ({ url, open }) => {
    const [here, there] = [await open(url), await open(url)];
    await schedule(here, "a", { delayMs: 200 });
    await until(() => there.broker.topics.get("t") !== undefined);
    await there.broker.topics.remove("t");
    await until(() => here.broker.topics.get("t") === undefined);
    assert.deepEqual(await waiting(here), []);
    await schedule(there, "b", { delayMs: 1 });
    await until(async () => (await idsIn(there)).length === 1);
    assert.deepEqual(await idsIn(there), ["b"]);
    // At random moments: what was accepted is published, or was removed with its topic.
    for (let round = 0; round < 10; round++) {
      const ids = Array.from({ length: 20 }, (_, n) => `r${round}-${n}`);
      const topic = `r${round}`;
      await Promise.all([
        ...ids.map((id, n) => schedule(n % 2 ? here : there, id, { delayMs: 1 + n }, { topic })),
        new Promise((resolve) => setTimeout(resolve, 10 * Math.random()))
          .then(() => there.broker.topics.remove(topic)).catch((error) => {
            assert.ok(error instanceof NotFoundError, String(error));
          }),
      ]);
      await until(async () => (await waiting(here)).length === 0);
      const stored = await idsIn(there, topic);
      assert.equal(new Set(stored).size, stored.length);
    }
    assert.deepEqual([...here.errors, ...there.errors], []);
  }));

Deno.test("a schema that another node has registered is in force for what is accepted afterwards", () =>
  withNodes(async ({ url, open }) => {
    const [here, there] = [await open(url), await open(url)];
    const later = (id: string, payload: unknown) =>
      there.broker.publish("t", "x", payload, { id, schedule: { delayMs: 200 } });
    await later("before", "no number");
    await here.broker.registerSchema("x", { type: "number" });
    // It need not have heard of it.
    await assert.rejects(later("after", "no number"), { code: "event/schema-violation" });
    await later("fits", 1);
    await until(async () => (await idsIn(here)).length === 2);
    assert.deepEqual((await idsIn(here)).sort(), ["before", "fits"]);
    assert.deepEqual([...here.errors, ...there.errors], []);
  }));

Deno.test("a time to live begins when the event is published", () =>
  withNodes(async ({ url, open }) => {
    const [here, there] = [await open(url), await open(url)];
    await schedule(here, "a", { delayMs: 200 }, { ttlMs: HOUR });
    await until(async () => (await idsIn(there)).length === 1);
    const [event] = await there.store.getEvents("t");
    // What is measured is the difference; a quarter of a second is what clocks of nodes differ by.
    assert.ok(Math.abs(event!.expiresAt! - event!.timestamp - HOUR) < 10_000);
  }));

Deno.test("what was redacted while it waited is published without its content, and not delivered", () =>
  withNodes(async ({ url, open, sql }) => {
    const [here, there] = [await open(url), await open(url)];
    await schedule(here, "a", { delayMs: HOUR }, { key: "somebody" });
    await until(() => there.broker.topics.get("t") !== undefined);
    const delivered: string[] = [];
    const got = (event: { id: string }) => void delivered.push(event.id);
    here.broker.subscribe("t", got);
    there.broker.subscribe("t", got, { name: "named" });
    const reply = await there.broker.redact("t", "a", { reason: "asked" });
    assert.deepEqual([reply.created, reply.seq], [true, 0]);
    const [info] = (await here.broker.scheduledEvents()).scheduled;
    assert.equal(info!.redacted, true);
    assert.notEqual(info!.key, "somebody");
    await anHourPasses(sql, here);
    await until(async () => (await idsIn(here)).length === 1);
    await here.broker.publish("t", "now", {}, { id: "b" });
    await until(() => delivered.length === 2);
    assert.deepEqual(delivered, ["b", "b"]);
    const [event] = await here.store.getEvents("t");
    assert.deepEqual([event!.payload, event!.key], [null, info!.key]);
    assert.equal((await here.broker.redact("t", "a")).created, false);
    await assert.rejects(there.broker.redact("t", "nobody"), NotFoundError);
  }));
