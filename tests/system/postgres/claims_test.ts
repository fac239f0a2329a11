/**
 * Shows who owns a part of a subscription, and that nothing is kept of what a former owner commits.
 * Two nodes share a database; each has connections of its own.
 */
import assert from "node:assert/strict";
import { systemClock } from "../../../core/base/clock.ts";
import { openPostgres, type Postgres, type Query } from "../../../core/postgres/connection.ts";
import { type Fence, FencedError } from "../../../core/state/fences.ts";
import {
  beat,
  type Claim,
  claimParts,
  forgetNode,
  forgetNodes,
  joinMembers,
  leaveMembers,
  readClaimMembers,
  readClaims,
  releaseClaims,
} from "../../../core/state/postgres/claims.ts";
import { PostgresState } from "../../../core/state/postgres/postgres_state.ts";
import type { StateChange } from "../../../core/state/state.ts";
import { loaded } from "../../core/state/conformance.ts";
import { until } from "../../helpers/evs.ts";
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
  /** On another connection than {@link query}. */
  transaction: <T>(work: (query: Query) => Promise<T>) => Promise<T>;
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
      nodes.push({
        name,
        state,
        query: (text, values) => postgres.query("append", text, values),
        transaction: (work) => postgres.transaction("state", work),
      });
    }
    await body(nodes);
  } finally {
    for (const { state } of nodes) await state.close();
    for (const postgres of connections) await postgres.close();
    await giveBack(url);
  }
}

function claim(
  { query, name }: Node,
  parts: readonly number[],
  ttlMs: number | undefined = LONG,
): Promise<Claim[]> {
  return claimParts(query, { node: name, subscription: "s", parts, ttlMs });
}

/** Says that a node is there; returns what it owns. */
async function nodeHeartbeat(query: Query, { node }: { node: string }): Promise<Claim[]> {
  await beat(query, { node, version: "1", infos: new Map() });
  const claims = await readClaims(query, { subscriptions: ["s"], ttlMs: LONG });
  return claims.filter((one) => one.node === node);
}

/** The claims that anybody may claim. */
async function claimsOver({ query }: Node, ttlMs: number): Promise<Claim[]> {
  return (await readClaims(query, { subscriptions: ["s"], ttlMs })).filter(({ over }) => over);
}

/** What a seek on another node does to the claims, or a retry of dead letters (`epoch: 0`). */
async function bump({ query }: Node, { epoch = 1 } = {}): Promise<void> {
  const sql = "UPDATE evs.claims SET epoch = epoch + $1, rev = rev + 1 WHERE subscription = 's'";
  await query(sql, [epoch]);
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
    const over = () => claimsOver(b!, 10_000);
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

Deno.test("a look at the claims shows a rev that has risen, and an epoch that fences off", () =>
  withNodes(["a"], async ([a]) => {
    const [first] = await claim(a!, [0]);
    await bump(a!, { epoch: 0 });
    const [again] = await nodeHeartbeat(a!.query, { node: "a" });
    assert.deepEqual([again!.epoch, again!.rev], [first!.epoch, first!.rev + 1]);
    await a!.state.commit([cursor("t", 2)], { fences: [fenceOf(again!)] });
    await bump(a!);
    const late = a!.state.commit([cursor("t", 3)], { fences: [fenceOf(again!)] });
    await assert.rejects(late, FencedError);
    const [now] = await nodeHeartbeat(a!.query, { node: "a" });
    await a!.state.commit([cursor("t", 4)], { fences: [fenceOf(now!)] });
    assert.deepEqual((await loaded(a!.state)).cursors.map(({ next }) => next), [4]);
  }));

Deno.test("forgetNodes forgets nodes that are gone, and what they owned is nobody's", () =>
  withNodes(["a", "b", "c"], async ([a, b, c]) => {
    for (const node of [a!, b!, c!]) {
      await nodeHeartbeat(node.query, { node: node.name });
      await joinMembers(node.query, { node: node.name, subscription: "s", wants: true });
    }
    await claim(a!, [0]);
    await claim(c!, [1]);
    await lastSeen(a!, 20_000);
    await lastSeen(b!, 20_000);
    await forgetNodes(a!.query, { olderMs: 10_000 });
    const rows = await a!.query("SELECT node FROM evs.nodes ORDER BY node");
    assert.deepEqual(rows, [{ node: "c" }]);
    const asked = { subscriptions: ["s"], ttlMs: LONG };
    assert.deepEqual((await readClaimMembers(a!.query, asked)).map(({ node }) => node), ["c"]);
    const owners = (await readClaims(a!.query, asked)).map(({ node, epoch }) => [node, epoch]);
    assert.deepEqual(owners, [[undefined, 1], ["c", 1]], "an epoch is never forgotten");
    assert.deepEqual(await forgetNode(c!.query, "c"), ["s"]);
    assert.deepEqual(short(await claim(b!, [0, 1])), [[0, 2], [1, 2]]);
  }));

Deno.test("claimParts without a TTL takes only what was given back", () =>
  withNodes(["a", "b"], async ([a, b]) => {
    await nodeHeartbeat(a!.query, { node: "a" });
    const [given] = await claim(a!, [0, 1]);
    await releaseClaims(a!.query, { node: "a", claims: [given!] });
    await lastSeen(a!, 1_000_000);
    const parts = { node: "b", subscription: "s", parts: [0, 1] };
    assert.deepEqual(short(await claimParts(b!.query, { ...parts, ttlMs: undefined })), [[0, 2]]);
    assert.deepEqual(short(await claimParts(b!.query, { ...parts, ttlMs: 10_000 })), [[1, 2]]);
  }));

Deno.test("readClaimMembers tells who wants parts and is there", () =>
  withNodes(["a", "b", "c"], async ([a, b, c]) => {
    await nodeHeartbeat(a!.query, { node: "a" });
    await nodeHeartbeat(b!.query, { node: "b" });
    await joinMembers(a!.query, { node: "a", subscription: "s", wants: true });
    await joinMembers(b!.query, { node: "b", subscription: "s", wants: false });
    await joinMembers(c!.query, { node: "c", subscription: "s", wants: true });
    const seen = async () =>
      (await readClaimMembers(a!.query, { subscriptions: ["s"], ttlMs: 10_000 }))
        .map(({ node, wants, there }) => `${node} ${wants} ${there}`);
    assert.deepEqual(await seen(), ["a true true", "b false true", "c true false"]);
    await lastSeen(a!, 20_000);
    await joinMembers(b!.query, { node: "b", subscription: "s", wants: true });
    await leaveMembers(c!.query, { node: "c", subscription: "s" });
    assert.deepEqual(await seen(), ["a true false", "b true true"]);
    await a!.query("UPDATE evs.nodes SET draining = true WHERE node = 'b'");
    assert.deepEqual(await seen(), ["a true false", "b true false"]);
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

/** A state that commits as a node, and the claim of part 0 of that node. */
async function asNode({ state, query }: Node): Promise<{ node: string; fence: Fence }> {
  const { node } = state.shared.coordinator({
    clock: systemClock,
    onError: (error) => assert.fail(String(error)),
  });
  await joinMembers(query, { node, subscription: "s", wants: true });
  const [first] = await claimParts(query, { node, subscription: "s", parts: [0], ttlMs: 0 });
  return { node, fence: { ...fenceOf(first!), rev: first!.rev } };
}

Deno.test("PostgresState tells of a fence whether another node owns the part or has changed it", () =>
  withNodes(["a"], async ([a]) => {
    const { fence } = await asNode(a!);
    await a!.state.commit([cursor("t", 2)], { fences: [fence] });
    await bump(a!, { epoch: 0 });
    const changed = await refusedBy(a!.state.commit([cursor("t", 3)], { fences: [fence] }));
    assert.deepEqual([changed.fences, changed.changed], [[], [fence]]);
    const now = { ...fence, rev: fence.rev! + 1 };
    await a!.state.commit([cursor("t", 4)], { fences: [now] });
    await bump(a!);
    const lost = await refusedBy(a!.state.commit([cursor("t", 5)], { fences: [now] }));
    assert.deepEqual([lost.fences, lost.changed], [[now], []]);
    assert.deepEqual((await loaded(a!.state)).cursors.map(({ next }) => next), [4]);
  }));

Deno.test("PostgresState keeps nothing of a node that is not a member any more", () =>
  withNodes(["a"], async ([a]) => {
    const { node, fence } = await asNode(a!);
    await leaveMembers(a!.query, { node, subscription: "s" });
    const error = await refusedBy(a!.state.commit([cursor("t", 2)], { fences: [fence] }));
    assert.deepEqual(error.fences, [fence]);
    assert.deepEqual((await loaded(a!.state)).cursors, []);
  }));

Deno.test("claimParts waits for a commit of the part's owner that is under way", () =>
  withNodes(["a", "b"], async ([a, b]) => {
    const { node, fence } = await asNode(a!);
    const { promise: ended, resolve: end } = Promise.withResolvers<void>();
    const { promise: begun, resolve: begin } = Promise.withResolvers<void>();
    const commit = a!.transaction(async (query) => {
      const { part, epoch, rev } = fence;
      await query(
        "SELECT evs.hold_claims_2($1, '{s}', ARRAY[$2::bigint], ARRAY[$3::bigint], ARRAY[$4::bigint])",
        [node, part, epoch, rev],
      );
      begin();
      await ended;
    });
    await begun;
    let claimed: Claim[] | undefined;
    const claiming = claim(b!, [0], 0).then((claims) => claimed = claims);
    const waits = "SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock'";
    await until(async () => claimed !== undefined || (await a!.query(waits)).length > 0);
    const early = claimed;
    end();
    await commit;
    await claiming;
    assert.equal(early, undefined, "what is being committed was not read");
    assert.deepEqual(short(claimed!), [[0, 2]]);
  }));

async function refusedBy(commit: Promise<void>): Promise<FencedError> {
  const error = await commit.then(() => undefined, (error) => error);
  assert.ok(error instanceof FencedError, String(error));
  return error;
}

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
for (const rev of [undefined, 0]) {
  const how = rev === undefined ? "the claims" : "the members";
  Deno.test(`two nodes that take a part from each other keep nothing of an old epoch, by ${how}`, () =>
    withNodes(["a", "b"], (nodes) => takeFromEachOther(nodes, rev)));
}

async function takeFromEachOther([a, b]: Node[], rev: number | undefined): Promise<void> {
  const nameOf = new Map<Node, string>();
  for (const node of [a!, b!]) {
    const { node: name } = node.state.shared.coordinator({
      clock: systemClock,
      onError: assert.fail,
    });
    nameOf.set(node, name);
    await joinMembers(node.query, { node: name, subscription: "s", wants: true });
  }
  const fencesOf = (claim: Claim) => [{ ...fenceOf(claim), ...(rev === undefined ? {} : { rev }) }];
  const kept: number[] = [];
  let owned: Claim | undefined;
  for (let round = 0; round < dose(100, 1000); round++) {
    const [from, to] = round % 2 === 0 ? [a!, b!] : [b!, a!];
    const before = owned;
    const jitter = round % 5;
    // The former owner commits under its epoch, while the other takes the part.
    const late = before && from.state.commit(
      [cursor("t", 10 * round + 1), cursor(`late ${round}`, 1)],
      { fences: fencesOf(before) },
    ).then(() => true, (error) => {
      assert.ok(error instanceof FencedError, String(error));
      return false;
    });
    for (let turn = 0; turn < jitter; turn++) await from.query("SELECT 1");
    // Everybody is gone after no time at all.
    const [claimed] = await claim({ ...to, name: nameOf.get(to)! }, [0], 0);
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
    await to.state.commit([cursor("t", 10 * round + 2)], { fences: fencesOf(owned) });
    assert.equal(await nextOf(to), 10 * round + 2);
  }
  // Otherwise it was not shown.
  assert.ok(kept.includes(0) && kept.includes(1), `kept ${kept.join("")}`);
}

async function nextOf({ query }: Node): Promise<number> {
  const [row] = await query<{ next: number }>("SELECT next FROM evs.cursors WHERE topic = 't'");
  return row?.next ?? 0;
}
