/**
 * Scheduled events of nodes on one PostgreSQL while nodes are killed, stopped and cut off: what was
 * accepted is published once, by the nodes that are left. No node remembers ids, so that nothing but
 * that an event leaves together with its row keeps it from being published again.
 */
import assert from "node:assert/strict";
import { dose } from "../../helpers/dose.ts";
import { until } from "../../helpers/evs.ts";
import { Cuts } from "./cuts.ts";
import { NodeProcess } from "./node_process.ts";
import { openNode, type SchedulingNode, withNodes } from "./scheduling_nodes.ts";
import { endServer } from "./states.ts";

Deno.test.afterAll(endServer);

/** How often a process is killed, and stopped. */
const FAULTS = dose(6, 60);
/** A day, which nobody waits for. */
const LONG = 24 * 3_600_000;

const sleep = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));
const idsIn = async ({ store }: SchedulingNode) => (await store.getEvents("t")).map(({ id }) => id);

/** A process that schedules, and adds to what was accepted. */
function schedule(url: string, name: string, accepted: Set<string>): NodeProcess {
  return new NodeProcess("scheduling_process.ts", [url, name], {
    note: (line) => void accepted.add(line),
  });
}

Deno.test("nodes that are killed and stopped publish each event once that was accepted", () =>
  withNodes(async ({ url, open }) => {
    const here = await open(url, { dedupWindow: 1 });
    const accepted = new Set<string>();
    for (let fault = 0; fault < FAULTS; fault++) {
      const [killed, stopped] = [
        schedule(url, `k${fault}`, accepted),
        schedule(url, `s${fault}`, accepted),
      ];
      const { size } = accepted;
      await until(() => accepted.size > size + 20);
      await sleep(Math.random() * 100);
      stopped.signal("SIGSTOP");
      await killed.kill();
      // What it had in its hands when it was stopped is another's by now.
      const published = (await idsIn(here)).length;
      await until(async () => (await idsIn(here)).length >= published);
      await until(async () => (await waiting(here)) === 0);
      stopped.signal("SIGCONT");
      await sleep(Math.random() * 50);
      await stopped.kill();
    }
    await until(async () => (await waiting(here)) === 0);
    const ids = await idsIn(here);
    assert.equal(new Set(ids).size, ids.length, "none is there twice");
    const there = new Set(ids);
    assert.deepEqual([...accepted].filter((id) => !there.has(id)), [], "none is lost");
    assert.ok(accepted.size > 20 * FAULTS);
  }));

const waiting = async ({ broker }: SchedulingNode) => (await broker.scheduledEvents()).total;

/** A node behind connections that are cut, and nobody else. */
async function withCuts(
  body: (place: {
    cuts: Cuts;
    node: SchedulingNode;
    sql(text: string): Promise<Record<string, unknown>[]>;
  }) => Promise<void>,
): Promise<void> {
  await withNodes(async ({ url, sql }) => {
    await using cuts = new Cuts(url);
    const node = await openNode(cuts.url, { dedupWindow: 1 });
    try {
      await body({ cuts, node, sql });
    } finally {
      await node.close();
    }
  });
}

const later = ({ broker }: SchedulingNode, id: string) =>
  broker.publish("t", "later", {}, { id, schedule: { delayMs: LONG } });
const stored = async (sql: (text: string) => Promise<Record<string, unknown>[]>) =>
  (await sql(`SELECT id FROM evs.events JOIN evs.topics USING (topic_id) WHERE name = 't'
    ORDER BY seq`)).map(({ id }) => id);
/** All of it is due, and the nodes look. */
async function letBeDue(
  sql: (text: string) => Promise<unknown>,
  node: SchedulingNode,
): Promise<void> {
  await sql(`UPDATE evs.scheduled SET due_at = due_at - ${LONG}`);
  await node.broker.publish("other", "wakes", {}, { schedule: { delayMs: LONG } });
}

Deno.test("an event is accepted once and published once wherever an answer is cut", () =>
  withCuts(async ({ cuts, node, sql }) => {
    const cut = [undefined, 0, 1, 40, 90];
    for (const [n, answered] of cut.entries()) {
      const id = `accepted-${n}`;
      cuts.cutAt({ text: id, ...(answered === undefined ? {} : { answered }) });
      const event = await later(node, id);
      assert.equal(event.seq, undefined);
      await until(() => cuts.cuts === n + 1);
    }
    assert.equal((await sql("SELECT 1 FROM evs.scheduled WHERE topic = 't'")).length, cut.length);
    await sql("DELETE FROM evs.scheduled");
    for (const [n, answered] of cut.entries()) {
      const id = `published-${n}`;
      await later(node, id);
      cuts.cutAt({ text: id, ...(answered === undefined ? {} : { answered }) });
      await letBeDue(sql, node);
      await until(async () => (await stored(sql)).length === n + 1);
      await until(() => cuts.cuts === cut.length + n + 1);
    }
    assert.deepEqual(await stored(sql), cut.map((_, n) => `published-${n}`));
  }));

Deno.test("a request to publish that arrives late, after others have published, publishes nothing", () =>
  withCuts(async ({ cuts, node, sql }) => {
    for (let n = 0; n < 3; n++) {
      await later(node, `late-event-${n}`);
      cuts.cutAt({ text: `late-event-${n}`, held: true });
      await letBeDue(sql, node);
      await until(async () => (await stored(sql)).length === n + 1);
      await cuts.release();
    }
    assert.deepEqual(await stored(sql), ["late-event-0", "late-event-1", "late-event-2"]);
  }));

Deno.test("what was due while the database was away is published when it is back, by itself", () =>
  withCuts(async ({ cuts, node, sql }) => {
    await later(node, "away");
    cuts.away = true;
    await sql(`UPDATE evs.scheduled SET due_at = due_at - ${LONG}`);
    await until(() => cuts.refused > 2);
    cuts.away = false;
    await until(async () => (await stored(sql)).length === 1);
  }));

/** Changes what a request that is held is about, unless another one was quicker; then it is let go. */
async function changed(
  { cuts, node, sql }: { cuts: Cuts; node: SchedulingNode; sql(text: string): Promise<unknown[]> },
  { id, change }: { id: string; change: string },
): Promise<boolean> {
  await node.broker.publish("t", "later", "before", { id, schedule: { delayMs: LONG } });
  cuts.cutAt({ text: id, held: true });
  const held = cuts.cuts + 1;
  await letBeDue(sql, node);
  await until(() => cuts.cuts === held);
  const rows = await sql(change);
  await cuts.release();
  return rows.length > 0;
}

const contents = (sql: (text: string) => Promise<Record<string, unknown>[]>, id: string) =>
  sql(`SELECT payload FROM evs.events WHERE id = '${id}'`);

Deno.test("an event that was changed since a node has read it is published as it is now", () =>
  withCuts(async (place) => {
    for (let n = 0;; n++) {
      const id = `changed-event-${n}`;
      const change = `UPDATE evs.scheduled
        SET line = convert_to(replace(convert_from(line, 'UTF8'), 'before', 'after'), 'UTF8')
        WHERE id = '${id}' RETURNING 1`;
      const isChanged = await changed(place, { id, change });
      await until(async () => (await contents(place.sql, id)).length === 1);
      // The node may have been quicker, to publish it again.
      if (!isChanged) continue;
      assert.deepEqual(await contents(place.sql, id), [{ payload: '"after"' }]);
      break;
    }
  }));

Deno.test("an event whose topic was changed since a node has read it stays, and is published", () =>
  withCuts(async (place) => {
    for (let n = 0;; n++) {
      const id = `moved-event-${n}`;
      const change = `WITH there AS (SELECT 1 FROM evs.scheduled WHERE id = '${id}'),
        counted AS (UPDATE evs.counters SET rev = rev + 1 WHERE name = 'catalog')
        UPDATE evs.topic_options SET rev = rev + 1 WHERE name = 't' AND EXISTS (SELECT 1 FROM there)
        RETURNING 1`;
      const isChanged = await changed(place, { id, change });
      const either = `SELECT 1 FROM evs.scheduled WHERE id = '${id}'
        UNION ALL SELECT 1 FROM evs.events WHERE id = '${id}'`;
      assert.equal((await place.sql(either)).length, 1, "it waits, or was published");
      await until(async () => (await contents(place.sql, id)).length === 1);
      if (isChanged) break;
    }
  }));
