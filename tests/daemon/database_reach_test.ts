/** What is told of a database that is away: at once, and what it said last. */
import assert from "node:assert/strict";
import { CannotStoreError } from "../../core/base/errors.ts";
import type { ClusterInfo } from "../../core/protocol/node.ts";
import { DatabaseReach } from "../../daemon/database_reach.ts";
import { FakeClock } from "../helpers/fake_clock.ts";

const INFO: ClusterInfo = {
  node: "here",
  database: "h:1/d",
  server: "16.1",
  durable: true,
  standbys: [],
  oldestSnapshotMs: 0,
  nodes: [],
};

/** A database whose answer a test gives. */
function database() {
  const clock = new FakeClock();
  let ask = () => Promise.resolve();
  let total = 0;
  let changed: Partial<ClusterInfo> = {};
  const reach = new DatabaseReach({
    clock,
    place: "h:1/d",
    ask: () => ask(),
    count: () => Promise.resolve({ of: new Map(), total, open: total }),
    cluster: () => Promise.resolve({ ...INFO, ...changed }),
  });
  return {
    clock,
    reach,
    answers: (dead: number) => {
      total = dead;
      ask = () => Promise.resolve();
    },
    says: (info: Partial<ClusterInfo>) => void (changed = info),
    fails: () => ask = () => Promise.reject(new CannotStoreError("it is away")),
    isSilent: () => {
      const { promise, resolve } = Promise.withResolvers<void>();
      ask = () => promise;
      return resolve;
    },
  };
}

Deno.test("DatabaseReach.look tells what is there, and while it is away what it said last", async () => {
  const { reach, answers, fails } = database();
  assert.equal(reach.cluster, undefined);
  answers(3);
  assert.equal((await reach.look()).total, 3);
  assert.deepEqual(reach.cluster, INFO);
  fails();
  assert.equal((await reach.look()).total, 3);
  assert.equal(reach.problem, "it is away");
  answers(4);
  assert.equal((await reach.look()).total, 4);
  assert.equal(reach.problem, undefined, "it is there again");
});

Deno.test("DatabaseReach.look waits no longer than 2 s, and asks one question at a time", async () => {
  const { reach, clock, answers, isSilent } = database();
  answers(1);
  await reach.look();
  const answer = isSilent();
  const looks = [reach.look(), reach.look()];
  let over = false;
  void Promise.all(looks).then(() => over = true);
  await clock.pass(1999);
  assert.equal(over, false);
  await clock.pass(1);
  assert.deepEqual((await Promise.all(looks)).map(({ total }) => total), [1, 1]);
  assert.match(reach.problem!, /PostgreSQL at h:1\/d does not answer/);
  answer();
  await reach.look();
  assert.equal(reach.problem, undefined);
});

Deno.test("DatabaseReach.problem says what a commit is not good for any more, and nothing of what it never was", async () => {
  const standbys = [{ name: "b", state: "sync" }];
  const never = database();
  never.says({ durable: false, standbys: [{ name: "b", state: "async" }] });
  await never.reach.look();
  assert.equal(never.reach.problem, undefined, "it began so");
  const { reach, says, fails } = database();
  says({ standbys });
  await reach.look();
  assert.equal(reach.problem, undefined);
  says({ durable: false, standbys });
  await reach.look();
  assert.match(reach.problem ?? "", /^PostgreSQL at h:1\/d keeps .* through no power cut any more/);
  says({ standbys: [{ name: "b", state: "async" }] });
  await reach.look();
  assert.match(reach.problem ?? "", /has no synchronous standby any more/);
  fails();
  await reach.look();
  assert.equal(reach.problem, "it is away", "that comes first");
  assert.equal(reach.isThere, false);
});

Deno.test("DatabaseReach.require rejects at once while nobody takes the connection, and waits for one that is slow", async () => {
  const { reach, clock, fails, isSilent, answers } = database();
  fails();
  await assert.rejects(reach.require(), { code: "postgres/unavailable", message: "it is away" });
  const answer = isSilent();
  const slow = reach.require();
  await clock.pass(9_000);
  answer();
  await slow;
  isSilent();
  const silent = assert.rejects(reach.require(), /PostgreSQL at h:1\/d does not answer/);
  await clock.pass(10_000);
  await silent;
  answers(0);
});
