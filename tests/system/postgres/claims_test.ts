/**
 * Shows who owns a part of a subscription, and that nothing is kept of what a former owner commits.
 * Two nodes share a database; each has connections of its own.
 */
import assert from "node:assert/strict";
import { openPostgres, type Postgres, type Query } from "../../../core/postgres/connection.ts";
import { type Fence, FencedError } from "../../../core/state/fences.ts";
import {
  bumpEpoch,
  bumpRev,
  type Claim,
  claimParts,
  claimsOver,
  forgetNodes,
  nodeHeartbeat,
  releaseClaims,
} from "../../../core/state/postgres/claims.ts";
import { PostgresState } from "../../../core/state/postgres/postgres_state.ts";
import type { StateChange } from "../../../core/state/state.ts";
import { loaded } from "../../core/state/conformance.ts";
import { dose } from "../../helpers/dose.ts";
import { emptyDatabase, endServer, giveBack } from "./states.ts";

Deno.test.afterAll(endServer);

/** Long enough that nothing is over by itself. */
const LONG = 3_600_000;

/** A node: its name and its connections. */
interface Node {
  name: string;
  state: PostgresState;
  query: Query;
}

async function withNodes(
  names: readonly string[],
  body: (nodes: Node[]) => Promise<void>,
): Promise<void> {
  const url = await emptyDatabase();
  const connections: Postgres[] = [];
  const nodes: Node[] = [];
  try {
    for (const name of names) {
      const state = await PostgresState.open(url);
      const postgres = await openPostgres(url);
      connections.push(postgres);
      nodes.push({ name, state, query: (text, values) => postgres.query("append", text, values) });
    }
    await body(nodes);
  } finally {
    for (const { state } of nodes) await state.close();
    for (const postgres of connections) await postgres.close();
    await giveBack(url);
  }
}

function claim({ query, name }: Node, parts: readonly number[], ttlMs = LONG): Promise<Claim[]> {
  return claimParts(query, { node: name, subscription: "s", parts, ttlMs });
}

/** Makes a node one that was last seen this long ago. */
async function lastSeen({ query, name }: Node, agoMs: number): Promise<void> {
  const ago = "clock_timestamp() - make_interval(secs => $2::text::double precision / 1000)";
  await query(`UPDATE evs.nodes SET seen = ${ago} WHERE node = $1`, [name, String(agoMs)]);
  await query(`UPDATE evs.claims SET claimed_at = ${ago} WHERE node = $1`, [name, String(agoMs)]);
}

const short = (claims: readonly Claim[]) => claims.map(({ part, epoch }) => [part, epoch]);
const fenceOf = ({ subscription, part, epoch }: Claim): Fence => ({ subscription, part, epoch });
const cursor = (topic: string, next: number): StateChange => {
  return { op: "cursor.put", record: { subscription: "s", topic, next } };
};

Deno.test("claimParts gives each part to one node, and with another epoch to the next", () =>
  withNodes(["a", "b"], async ([a, b]) => {
    assert.deepEqual(short(await claim(a!, [0, 1, 1])), [[0, 1], [1, 1]]);
    assert.deepEqual(short(await claim(b!, [0, 1, 2])), [[2, 1]]);
    assert.deepEqual(await claim(a!, [0]), [], "what it has it does not get again");
    const back = [{ subscription: "s", part: 0, epoch: 1 }, {
      subscription: "s",
      part: 2,
      epoch: 1,
    }];
    const released = await releaseClaims(a!.query, { node: "a", claims: back });
    assert.deepEqual(short(released), [[0, 1]], "part 2 is another's");
    assert.deepEqual(short(await claim(b!, [0, 1])), [[0, 2]]);
    assert.deepEqual(await releaseClaims(a!.query, { node: "a", claims: back }), []);
    assert.deepEqual(short(await nodeHeartbeat(a!.query, { node: "a" })), [[1, 1]]);
    assert.deepEqual(short(await nodeHeartbeat(b!.query, { node: "b" })), [[0, 2], [2, 1]]);
  }));

Deno.test("claimParts gives one part to one of many who ask at once", () =>
  withNodes(["a", "b", "c", "d"], async (nodes) => {
    for (let part = 0; part < dose(20); part++) {
      const won = await Promise.all(nodes.map((node) => claim(node, [part])));
      assert.deepEqual(won.flatMap(short), [[part, 1]]);
    }
  }));

Deno.test("a claim is over when its node was not seen for the TTL, by the database's clock", () =>
  withNodes(["a", "b"], async ([a, b]) => {
    await nodeHeartbeat(a!.query, { node: "a" });
    await claim(a!, [0, 1]);
    const over = () => claimsOver(b!.query, { subscription: "s", ttlMs: 10_000 });
    await lastSeen(a!, 9_000);
    assert.deepEqual(await over(), []);
    assert.deepEqual(await claim(b!, [0], 10_000), []);
    await lastSeen(a!, 11_000);
    assert.deepEqual(short(await over()), [[0, 1], [1, 1]]);
    assert.deepEqual(short(await claim(b!, [0], 10_000)), [[0, 2]]);
    // It was late, but nobody took the other part.
    assert.deepEqual(short(await nodeHeartbeat(a!.query, { node: "a" })), [[1, 1]]);
    assert.deepEqual(await over(), []);
    assert.deepEqual(await claim(b!, [1], 10_000), []);
  }));

Deno.test("a claim of a node that was never seen is not over at once", () =>
  withNodes(["a", "b"], async ([a, b]) => {
    await claim(a!, [0]);
    assert.deepEqual(await claim(b!, [0], 10_000), []);
    await lastSeen(a!, 11_000);
    assert.deepEqual(short(await claim(b!, [0], 10_000)), [[0, 2]]);
  }));

Deno.test("bumpRev has owners reload, bumpEpoch fences them off", () =>
  withNodes(["a"], async ([a]) => {
    const [first] = await claim(a!, [0]);
    await bumpRev(a!.query, "s");
    const [again] = await nodeHeartbeat(a!.query, { node: "a" });
    assert.deepEqual([again!.epoch, again!.rev], [first!.epoch, first!.rev + 1]);
    await a!.state.commit([cursor("t", 2)], { fences: [fenceOf(again!)] });
    await bumpEpoch(a!.query, "s");
    const late = a!.state.commit([cursor("t", 3)], { fences: [fenceOf(again!)] });
    await assert.rejects(late, FencedError);
    const [now] = await nodeHeartbeat(a!.query, { node: "a" });
    await a!.state.commit([cursor("t", 4)], { fences: [fenceOf(now!)] });
    assert.deepEqual((await loaded(a!.state)).cursors.map(({ next }) => next), [4]);
  }));

Deno.test("forgetNodes forgets nodes that are gone and own nothing", () =>
  withNodes(["a", "b", "c"], async ([a, b, c]) => {
    for (const node of [a!, b!, c!]) await nodeHeartbeat(node.query, { node: node.name });
    await claim(a!, [0]);
    await lastSeen(a!, 20_000);
    await lastSeen(b!, 20_000);
    await forgetNodes(a!.query, { olderMs: 10_000 });
    const rows = await a!.query("SELECT node FROM evs.nodes ORDER BY node");
    assert.deepEqual(rows, [{ node: "a" }, { node: "c" }]);
  }));

Deno.test("PostgresState keeps nothing of a commit whose fence is over, and goes on", () =>
  withNodes(["a", "b"], async ([a, b]) => {
    const [old] = await claim(a!, [0]);
    await releaseClaims(a!.query, { node: "a", claims: [old!] });
    const [now] = await claim(b!, [0]);
    await b!.state.commit([cursor("t", 9)], { fences: [fenceOf(now!)] });
    // Those that share its transaction are kept.
    const [fenced, other] = await Promise.allSettled([
      a!.state.commit([cursor("t", 2), cursor("u", 2)], { fences: [fenceOf(old!)] }),
      a!.state.commit([cursor("v", 3)]),
    ]);
    assert.equal(fenced.status, "rejected");
    assert.ok(fenced.reason instanceof FencedError);
    assert.deepEqual(fenced.reason.fences, [fenceOf(old!)]);
    assert.equal(other.status, "fulfilled");
    const { cursors } = await loaded(a!.state);
    const there = cursors.map(({ topic, next }) => [topic, next]).sort();
    assert.deepEqual(there, [["t", 9], ["v", 3]]);
  }));

Deno.test("PostgresState refuses a fence of a part that nobody ever claimed", () =>
  withNodes(["a"], async ([a]) => {
    const fences = [{ subscription: "s", part: 7, epoch: 1 }];
    await assert.rejects(a!.state.commit([cursor("t", 2)], { fences }), FencedError);
    assert.deepEqual((await loaded(a!.state)).cursors, []);
  }));

/**
 * Each takes the part from the other while the other commits. What an owner commits is the next
 * number after what it read when it became the owner: a commit of an old epoch that was kept behind
 * the takeover would show as a cursor that goes back, or that the new owner did not see.
 */
Deno.test("two nodes that take a part from each other keep nothing of an old epoch", () =>
  withNodes(["a", "b"], async ([a, b]) => {
    const kept: number[] = [];
    let owned: Claim | undefined;
    for (let round = 0; round < dose(200, 2000); round++) {
      const [from, to] = round % 2 === 0 ? [a!, b!] : [b!, a!];
      const before = owned;
      const jitter = round % 5;
      // The former owner commits under its epoch, while the other takes the part.
      const late = before && from.state.commit(
        [cursor("t", 10 * round + 1), cursor(`late ${round}`, 1)],
        { fences: [fenceOf(before)] },
      ).then(() => true, (error) => {
        assert.ok(error instanceof FencedError, String(error));
        return false;
      });
      for (let turn = 0; turn < jitter; turn++) await from.query("SELECT 1");
      // Everybody is gone after no time at all.
      const [claimed] = await claim(to, [0], 0);
      owned = claimed!;
      assert.equal(owned.epoch, (before?.epoch ?? 0) + 1);
      const seen = await nextOf(to);
      const wasKept = await late;
      if (wasKept !== undefined) {
        kept.push(wasKept ? 1 : 0);
        // What was kept was there when the new owner read; what was refused never comes.
        assert.equal(seen === 10 * round + 1, wasKept, `round ${round}`);
        assert.equal(await nextOf(to), seen);
      }
      await to.state.commit([cursor("t", 10 * round + 2)], { fences: [fenceOf(owned)] });
      assert.equal(await nextOf(to), 10 * round + 2);
    }
    // Otherwise it was not shown.
    assert.ok(kept.includes(0) && kept.includes(1), `kept ${kept.join("")}`);
  }));

async function nextOf({ query }: Node): Promise<number> {
  const [row] = await query<{ next: number }>("SELECT next FROM evs.cursors WHERE topic = 't'");
  return row?.next ?? 0;
}
