/**
 * Shows how nodes that share a PostgreSQL divide the parts of a subscription: each part has one owner
 * at a time, whoever wants some gets his share, and what a node cannot say that it still has, it does
 * not deliver. The drivers are fakes; takeover_test.ts has real ones in processes of their own.
 */
import assert from "node:assert/strict";
import { type Clock, systemClock } from "../../../core/base/clock.ts";
import { openPostgres } from "../../../core/postgres/connection.ts";
import { TryAgainError } from "../../../core/postgres/errors.ts";
import { readTarget } from "../../../core/postgres/url.ts";
import { WakeUps } from "../../../core/postgres/wake_ups.ts";
import type { PartShare } from "../../../core/state/coordinator.ts";
import { FencedError } from "../../../core/state/fences.ts";
import { PostgresAct } from "../../../core/state/postgres/acts.ts";
import type { PostgresNode } from "../../../core/state/postgres/node.ts";
import { PostgresState } from "../../../core/state/postgres/postgres_state.ts";
import type { SubscriptionRecord } from "../../../core/state/records.ts";
import { defaultSettings } from "../../../core/delivery/settings.ts";
import { until } from "../../helpers/evs.ts";
import { Cuts } from "./cuts.ts";
import { FakeOwner } from "./fake_owner.ts";
import { emptyDatabase, endServer, giveBack } from "./states.ts";

Deno.test.afterAll(endServer);

/** Nobody is gone before a test ends. */
const LONG = 3_600_000;

const record: SubscriptionRecord = {
  name: "s",
  topic: "t",
  from: "start",
  settings: defaultSettings,
  paused: false,
  createdAt: 1,
  parts: 16,
};
/** Claims that wait for somebody. */
const WAITING = `SELECT 1 FROM pg_stat_activity WHERE datname = current_database()
  AND wait_event_type = 'Lock' AND query LIKE '%claim_parts%'`;
const ALL = Array.from({ length: 16 }, (_, part) => part);

/** A process, as it were. */
interface Process {
  state: PostgresState;
  node: PostgresNode;
  owner: FakeOwner;
  share: PartShare;
  errors: unknown[];
}

/** Waits of more than an hour are over at once. */
const hasty: Clock = {
  ...systemClock,
  setTimer: (callback, ms) => systemClock.setTimer(callback, ms > LONG ? 0 : ms),
};

async function start(url: string, { ttlMs = LONG, clock = systemClock } = {}): Promise<Process> {
  const state = await PostgresState.open(url);
  const errors: unknown[] = [];
  const onError = (error: unknown) => void errors.push(error);
  const node = state.shared.coordinator({ clock, ttlMs, onError });
  const owner = new FakeOwner();
  return { state, node, owner, share: node.share(record, owner), errors };
}

interface Place {
  url: string;
  start(options?: { url?: string; ttlMs?: number; clock?: Clock }): Promise<Process>;
  sql(text: string): Promise<Record<string, unknown>[]>;
}

async function withDatabase(body: (place: Place) => Promise<void>): Promise<void> {
  const url = await emptyDatabase();
  const started: Process[] = [];
  const first = await PostgresState.open(url);
  await first.commit([{ op: "subscription.put", record }]);
  const postgres = await openPostgres(url);
  try {
    await body({
      url,
      async start(options = {}) {
        const process = await start(options.url ?? url, options);
        started.push(process);
        return process;
      },
      sql: (text) => postgres.query("append", text),
    });
  } finally {
    await Promise.all(started.map(({ state }) => state.close()));
    await postgres.close();
    await first.close();
    await giveBack(url);
  }
}

const both = (...processes: Process[]) =>
  processes.flatMap(({ owner }) => owner.parts).sort((a, b) => a - b);
const owns = (count: number, { owner }: Process) => until(() => owner.owned.size === count);

Deno.test("nodes that want parts have the same number of them, each part once", () =>
  withDatabase(async ({ start }) => {
    const a = await start();
    a.share.want(true);
    await owns(16, a);
    await until(() => a.share.mayDeliver && a.share.allOwned && !a.share.settling);
    const b = await start();
    b.share.want(true);
    assert.ok(b.share.settling);
    await owns(8, b);
    await owns(8, a);
    assert.deepEqual(both(a, b), ALL);
    const c = await start();
    c.share.want(true);
    await until(() => [a, b, c].map(({ owner }) => owner.owned.size).sort().join() === "5,5,6");
    await until(() => both(a, b, c).length === 16);
    assert.deepEqual(both(a, b, c), ALL);
    // What it had is another's only under another epoch.
    for (const part of b.owner.parts) assert.equal(b.owner.owned.get(part)!.epoch, 2);
  }));

Deno.test("a node gives parts back when nobody waits there any more, and at its end", () =>
  withDatabase(async ({ start, sql }) => {
    const [a, b] = [await start(), await start()];
    a.share.want(true);
    b.share.want(true);
    await owns(8, a);
    await owns(8, b);
    a.share.want(false);
    await owns(16, b);
    assert.deepEqual(a.owner.parts, []);
    await until(async () => (await sql("SELECT 1 FROM evs.members")).length === 1);
    a.share.want(true);
    await owns(8, a);
    // Not after the TTL, which is an hour: it says so.
    await b.state.close();
    await owns(16, a);
    assert.deepEqual(await sql("SELECT node FROM evs.nodes"), [{ node: a.node.node }]);
  }));

Deno.test("a node that is drained gives all back and takes nothing, until it is let work again", () =>
  withDatabase(async ({ start, sql }) => {
    const [a, b] = [await start(), await start()];
    a.share.want(true);
    b.share.want(true);
    await owns(8, a);
    await owns(8, b);
    assert.ok(await b.state.drainNode(a.node.node, true));
    await owns(16, b);
    assert.ok(a.node.draining && a.owner.parts.length === 0);
    await until(() => !a.share.settling);
    a.share.want(false);
    a.share.want(true);
    assert.ok(!a.share.settling, "it gets nothing, and knows it");
    assert.ok(await b.state.drainNode(a.node.node, false));
    await owns(8, a);
    await owns(8, b);
    assert.ok(!await b.state.drainNode("unknown", true));
    assert.equal((await sql("SELECT 1 FROM evs.members")).length, 2);
  }));

Deno.test("a part that is leased is given back once it is not, and nothing of it was lost before", () =>
  withDatabase(async ({ start }) => {
    const a = await start();
    a.share.want(true);
    await owns(16, a);
    a.owner.lease(15);
    const b = await start();
    b.share.want(true);
    await owns(7, b);
    await until(() => a.owner.owned.size === 9);
    assert.ok(a.owner.owned.has(15), "it is still leased");
    assert.ok(!b.owner.owned.has(15));
    a.owner.lease();
    await owns(8, b);
    assert.deepEqual(a.owner.told.at(-1), { what: "lost", parts: [15] });
  }));

Deno.test("a part is given back in the end, whoever leases it", () =>
  withDatabase(async ({ start }) => {
    // Not by a short TTL: that ends whenever the machine is slow, and then parts are just taken.
    const a = await start({ clock: hasty });
    a.share.want(true);
    await owns(16, a);
    a.owner.lease(...ALL);
    const b = await start();
    b.share.want(true);
    await owns(8, b);
    assert.equal(a.owner.told.filter(({ what }) => what === "leaving").length, 8);
  }));

Deno.test("a node that is cut off stops before others take over, and is told what it has lost", () =>
  withDatabase(async ({ url, start }) => {
    await using cuts = new Cuts(url);
    const a = await start({ url: cuts.url, ttlMs: 1000 });
    a.share.want(true);
    await owns(16, a);
    const b = await start({ ttlMs: 1000 });
    b.share.want(true);
    await owns(8, b);
    await owns(8, a);
    const before = new Map(a.owner.owned);
    a.owner.told.length = 0;
    let whenGained: boolean | undefined;
    const gained = b.owner.gained.bind(b.owner);
    b.owner.gained = (rows) => {
      whenGained ??= a.share.mayDeliver;
      return gained(rows);
    };
    cuts.away = true;
    await owns(16, b);
    assert.equal(whenGained, false, "both might have delivered at once");
    assert.deepEqual(a.owner.parts, [...before.keys()].sort((x, y) => x - y), "nobody told it yet");
    cuts.away = false;
    const fences = [...before.values()].map((part) => ({ subscription: "s", ...part }));
    await until(() => a.owner.told.some(({ what }) => what === "lost"));
    const late = a.state.commit([], { fences });
    await assert.rejects(late, FencedError);
    await owns(8, a);
    for (const [part, { epoch }] of a.owner.owned) {
      assert.ok(epoch > (before.get(part)?.epoch ?? 0), "it was another's meanwhile");
    }
  }));

Deno.test("nodes keep what they have when the server was away for longer than a TTL", () =>
  withDatabase(async ({ url, start, sql }) => {
    await using first = new Cuts(url);
    await using second = new Cuts(url);
    // Longer than any pause of this machine: what a node that is back may not take yet, it may later.
    const ttlMs = 120_000;
    let passedMs = 0;
    const clock = { ...systemClock, monotonic: () => systemClock.monotonic() + passedMs };
    const a = await start({ url: first.url, ttlMs, clock });
    a.share.want(true);
    await owns(16, a);
    const b = await start({ url: second.url, ttlMs, clock });
    b.share.want(true);
    await owns(8, b);
    await owns(8, a);
    const claims = () => new Map([...a.owner.owned, ...b.owner.owned]);
    const before = claims();
    const looks = ({ node }: Process, isOver: () => boolean) =>
      until(() => (node.look(), isOver()));
    first.away = second.away = true;
    for (const one of [a, b]) await looks(one, () => one.errors.length > 0);
    passedMs = 2 * ttlMs;
    assert.ok(!a.share.mayDeliver && !b.share.mayDeliver);
    const ago = `interval '${passedMs} ms'`;
    await sql(`UPDATE evs.nodes SET seen = seen - ${ago}`);
    await sql(`UPDATE evs.claims SET claimed_at = claimed_at - ${ago}`);
    first.away = false;
    await looks(a, () => a.share.mayDeliver);
    // By the database's clock the other one is gone, and this one looks at the claims once more.
    const last = async () =>
      (await sql("SELECT max(seen)::text AS last FROM evs.nodes"))[0]!["last"];
    for (let times = 0; times < 2; times++) {
      const seen = await last();
      a.node.look();
      await until(async () => await last() !== seen);
    }
    second.away = false;
    await looks(b, () => b.share.mayDeliver);
    const isTaken = () => a.owner.owned.size > 8 || b.owner.owned.size < 8;
    const haveRead = () => [a, b].every(({ owner }) => owner.told.at(-1)?.what === "changed");
    await until(() => isTaken() || haveRead());
    assert.deepEqual(claims(), before);
  }));

Deno.test("a node reads again what somebody else has changed of its parts", () =>
  withDatabase(async ({ start, sql }) => {
    const a = await start();
    a.share.want(true);
    await owns(16, a);
    const fences = a.owner.fences("s", 3, 5);
    await sql(`DO $$ BEGIN
      PERFORM evs.hold_members('s');
      UPDATE evs.claims SET rev = rev + 1 WHERE subscription = 's' AND part = 3;
      INSERT INTO evs.done VALUES ('s', 't', 3, 7);
    END $$`);
    const error = await a.state.commit([], { fences }).then(() => {}, (error) => error);
    assert.ok(error instanceof FencedError, String(error));
    assert.deepEqual(error.changed.map(({ part }) => part), [3]);
    await a.share.refused(error);
    assert.deepEqual(a.owner.rows?.done, [{ subscription: "s", topic: "t", part: 3, seq: 7 }]);
    assert.deepEqual(a.owner.told.at(-1), { what: "changed", parts: [3] });
    await a.state.commit([], { fences: a.owner.fences("s", 3, 5) });
    // Nobody commits anything: it is told by a wake-up.
    await sql("UPDATE evs.claims SET rev = rev + 1 WHERE subscription = 's' AND part = 6");
    a.state.shared.wake("claims", "s");
    await until(() => a.owner.told.at(-1)?.parts.join() === "6");
    assert.equal(a.owner.owned.get(6)!.rev, 1);
  }));

Deno.test("a node finds what it has claimed without having heard so", () =>
  withDatabase(async ({ url, start }) => {
    for (const answered of [undefined, 0]) {
      await using cuts = new Cuts(url);
      const a = await start({ url: cuts.url, ttlMs: 2000 });
      cuts.cutAt({ text: "evs.claim_parts", ...(answered === undefined ? {} : { answered }) });
      a.share.want(true);
      await owns(16, a);
      assert.equal(cuts.cuts, 1);
      assert.deepEqual(new Set(a.owner.parts), new Set(ALL));
      await a.state.close();
    }
  }));

Deno.test("a node that was forgotten becomes a member again, and keeps nothing of before", () =>
  withDatabase(async ({ start, sql }) => {
    const a = await start({ ttlMs: 1000 });
    a.share.want(true);
    await owns(16, a);
    const fences = a.owner.fences("s", 0);
    await sql("DELETE FROM evs.members");
    await sql("UPDATE evs.claims SET node = NULL");
    await until(() => a.owner.told.some(({ what }) => what === "lost"));
    await owns(16, a);
    await assert.rejects(a.state.commit([], { fences }), FencedError);
    await a.state.commit([], { fences: a.owner.fences("s", 0) });
  }));

Deno.test("a subscription that ends and begins again at once has its parts again", () =>
  withDatabase(async ({ start }) => {
    const a = await start();
    a.share.want(true);
    await owns(16, a);
    const owner = new FakeOwner();
    const ended = a.share.end();
    const share = a.node.share(record, owner);
    share.want(true);
    await ended;
    // It finds the claims of the one before, loses them when that gives them back, and claims anew.
    const commits = () => a.state.commit([], { fences: owner.fences("s", ...ALL) });
    await until(async () =>
      owner.owned.size === 16 && await commits().then(() => true, () => false)
    );
    assert.deepEqual(owner.parts, ALL);
    assert.deepEqual(a.errors, []);
  }));

Deno.test("a node that has not heard of it yet claims nothing of a subscription that was removed, or made again", () =>
  withDatabase(async ({ start, sql }) => {
    const a = await start();
    a.share.want(true);
    await owns(16, a);
    const tried: number[] = [];
    const claim = a.node.claim.bind(a.node);
    a.node.claim = async (...asked) => {
      const claims = await claim(...asked);
      tried.push(claims.length);
      return claims;
    };
    await (await start()).state.transact({
      on: [{ subscription: "s", seize: true }],
      first: [{ op: "subscription.remove", name: "s" }],
      decide: () => ({ changes: [], result: undefined }),
    });
    await until(() => tried.length > 0);
    assert.deepEqual([tried[0], a.owner.owned.size], [0, 0], "it would begin with the first event");
    await a.state.commit([{ op: "subscription.put", record: { ...record, createdAt: 2 } }]);
    tried.length = 0;
    a.node.look();
    await until(() => tried.length > 0);
    assert.deepEqual([tried[0], a.owner.owned.size], [0, 0], "it knows the settings of before");
    assert.deepEqual(await sql("SELECT 1 FROM evs.claims WHERE node IS NOT NULL"), []);
    await a.share.end();
    const share = a.node.share({ ...record, createdAt: 2 }, a.owner);
    share.want(true);
    await owns(16, a);
    assert.deepEqual(a.errors, []);
  }));

function endedByDeadlock(error: unknown): "act" {
  assert.ok(error instanceof TryAgainError, String(error));
  return "act";
}

Deno.test("a node that meets an act on what it is about to claim tries again, and tells nobody", () =>
  withDatabase(async ({ url, start, sql }) => {
    const a = await start();
    const postgres = await openPostgres(url);
    let times = 0;
    const act = () =>
      postgres.transaction("state", async (query) => {
        times = 0;
        await PostgresAct.begin(async (text, values) => {
          if (text.includes("evs.members") && ++times === 2) {
            // Nobody was a member when the act looked first: each waits for what the other one holds.
            a.share.want(true);
            await until(async () => (await sql(WAITING)).length === 1);
          }
          return await query(text, values);
        }, [{ subscription: "s" }]);
      });
    // PostgreSQL ends the one that notices first, which is mostly the node: it waited first.
    while (await act().then(() => "node", endedByDeadlock) === "act") {
      a.share.want(false);
      await until(async () => (await sql("SELECT 1 FROM evs.members")).length === 0);
    }
    assert.equal(times, 2);
    await owns(16, a);
    assert.deepEqual(a.errors, []);
    await postgres.close();
  }));

Deno.test("nodes hear at once of what a commit or an act changes of the catalog", () =>
  withDatabase(async ({ url, start }) => {
    const a = await start();
    const wakeUps = new WakeUps(readTarget(url));
    await wakeUps.open();
    const heard: string[] = [];
    wakeUps.on("catalog", () => void heard.push("catalog"));
    wakeUps.on("control", () => void heard.push("control"));
    const changes: (() => Promise<void>)[] = [
      () => a.state.commit([{ op: "subscription.put", record: { ...record, name: "r" } }]),
      () =>
        a.state.transact({
          on: [{ subscription: "r", seize: true }],
          first: [{ op: "subscription.remove", name: "r" }],
          decide: () => ({ changes: [], result: undefined }),
        }),
    ];
    for (const change of changes) {
      heard.length = 0;
      await change();
      // It is sent after what was sent before.
      a.state.shared.wake("control", "c");
      await until(() => heard.includes("control"));
      assert.deepEqual(heard, ["catalog", "control"]);
    }
    await wakeUps.close();
  }));

Deno.test("a node with nothing to do has no consumers of its own to give parts to", () =>
  withDatabase(async ({ start, sql }) => {
    const [a, b] = [await start(), await start()];
    b.share.want(true);
    await owns(16, b);
    assert.deepEqual(a.owner.told, []);
    assert.deepEqual(await sql("SELECT node FROM evs.members"), [{ node: b.node.node }]);
    assert.deepEqual([a.errors, b.errors], [[], []]);
  }));
