/**
 * What becomes of a commit that is refused because its node has lost a part, or has yet to learn
 * what somebody else changed of it: nothing of it is kept, and the same is decided anew once the
 * queue knows.
 */
import assert from "node:assert/strict";
import { Committer, type Fencing } from "../../../core/delivery/committer.ts";
import type { Outcome, Plan } from "../../../core/delivery/plan.ts";
import { type Fence, FencedError } from "../../../core/state/fences.ts";
import type { StateChange } from "../../../core/state/state.ts";
import { settled } from "../../helpers/fake_clock.ts";

const change: StateChange = { op: "generation.next" };
const fence: Fence = { subscription: "s", part: 0, epoch: 1, rev: 0 };
const fenced = () => new FencedError([fence]);

/** A committer whose commits end as the test says, and what happened in order. */
class Rig {
  readonly log: string[] = [];
  readonly #pending: { resolve(): void; reject(error: Error): void }[] = [];
  readonly committer: Committer;
  /** What the queue does when it learns of a refusal. */
  learn: (error: FencedError) => Promise<void> = () => Promise.resolve();

  constructor(fencing?: Fencing) {
    this.committer = new Committer({
      lasts: true,
      retry: () => undefined,
      commit: (...given) => {
        this.log.push(given.length > 2 ? `commit under ${given[2]!.length}` : "commit");
        return new Promise((resolve, reject) => this.#pending.push({ resolve, reject }));
      },
    }, {
      settle: (items) => this.plan("settle", items.map((): Outcome => "done")),
      begun: () => {},
      stored: () => {},
      changed: () => {},
      fencing,
    });
  }

  static fenced(): Rig {
    const rig: Rig = new Rig({
      fencesOf: () => [fence],
      refused: async (error) => {
        rig.log.push("learns");
        await rig.learn(error);
        rig.log.push("knows");
      },
    });
    return rig;
  }

  plan<T>(name: string, result: T): Plan<T> {
    this.log.push(name);
    return {
      changes: [change],
      result,
      dead: [],
      apply: () => void this.log.push(`${name} applied`),
      rollback: () => void this.log.push(`${name} undone`),
    };
  }

  /** Commits a plan, and tells when it is answered. */
  run(name: string): Promise<unknown> {
    return this.committer.plan(() => this.plan(name, name))
      .then(() => this.log.push(`${name} answered`), () => this.log.push(`${name} refused`));
  }

  async end(error?: Error): Promise<void> {
    const { resolve, reject } = this.#pending.shift()!;
    if (error) reject(error);
    else resolve();
    await settled();
  }

  async taken(): Promise<string[]> {
    await settled();
    return this.log.splice(0);
  }
}

Deno.test("Committer decides anew, and answers once, when a commit was refused for its fences", async () => {
  const rig = Rig.fenced();
  void rig.run("seek");
  void rig.run("flush");
  assert.deepEqual(await rig.taken(), ["seek", "commit under 1"]);
  const known = Promise.withResolvers<void>();
  rig.learn = () => known.promise;
  await rig.end(fenced());
  assert.deepEqual(await rig.taken(), ["seek undone", "learns"]);
  known.resolve();
  assert.deepEqual(
    await rig.taken(),
    ["knows", "seek", "commit under 1"],
    "before anything else is decided",
  );
  await rig.end();
  assert.deepEqual(await rig.taken(), [
    "seek applied",
    "seek answered",
    "flush",
    "commit under 1",
  ]);
  await rig.end();
});

Deno.test("Committer does the same for settlements, and answers what was decided last", async () => {
  const rig = Rig.fenced();
  const outcomes: Outcome[][] = [["done"], ["lost"]];
  rig.plan = <T>(name: string) => ({
    ...Rig.prototype.plan.call(rig, name, undefined),
    result: outcomes.shift() as T,
  });
  const settling = rig.committer.settle([{ lease: "l.1", ack: true }]);
  await rig.taken();
  await rig.end(fenced());
  assert.deepEqual((await rig.taken()).slice(-2), ["settle", "commit under 1"]);
  await rig.end();
  assert.deepEqual(await settling, ["lost"]);
});

Deno.test("Committer tells the error when it is refused again and again", async () => {
  const rig = Rig.fenced();
  void rig.run("seek");
  let tries = 0;
  for (; !(await rig.taken()).includes("seek refused"); tries++) {
    assert.ok(tries < 100, "it goes on for ever");
    await rig.end(fenced());
  }
  assert.equal(tries, 35, "as often as parts may be lost and changed");
  void rig.run("flush");
  assert.deepEqual(await rig.taken(), ["flush", "commit under 1"], "and goes on");
  await rig.end();
});

Deno.test("Committer tells the error when the queue cannot learn what was refused", async () => {
  const rig = Rig.fenced();
  rig.learn = () => Promise.reject(new Error("nobody knows"));
  const planning = rig.committer.plan(() => rig.plan("seek", 0));
  planning.catch(() => {});
  await rig.taken();
  await rig.end(fenced());
  await assert.rejects(planning, /nobody knows/);
  void rig.run("flush");
  assert.deepEqual((await rig.taken()).slice(-2), ["flush", "commit under 1"], "and goes on");
  await rig.end();
});

Deno.test("Committer decides nothing anew when it has no fences, or another error", async () => {
  const local = new Rig();
  void local.run("seek");
  assert.deepEqual(await local.taken(), ["seek", "commit"], "the ledger is asked for nothing more");
  await local.end(fenced());
  assert.deepEqual(await local.taken(), ["seek undone", "seek refused"]);
  const rig = Rig.fenced();
  void rig.run("seek");
  await rig.taken();
  await rig.end(new Error("the disk is full"));
  assert.deepEqual(await rig.taken(), ["seek undone", "seek refused"]);
});

Deno.test("Committer.between waits for the commit that is under way, and comes before the next", async () => {
  const rig = Rig.fenced();
  void rig.run("seek");
  void rig.run("flush");
  await rig.taken();
  const read = Promise.withResolvers<void>();
  void rig.committer.between(() => void rig.log.push("lost"));
  void rig.committer.between(async () => {
    rig.log.push("reads");
    await read.promise;
    rig.log.push("has read");
  });
  assert.deepEqual(await rig.taken(), []);
  await rig.end();
  assert.deepEqual(await rig.taken(), ["seek applied", "seek answered", "lost", "reads"]);
  read.resolve();
  assert.deepEqual(await rig.taken(), ["has read", "flush", "commit under 1"]);
  await rig.end();
});

Deno.test("Committer.between is at once when nothing is under way, and tells what it throws", async () => {
  const rig = Rig.fenced();
  await rig.committer.between(() => void rig.log.push("lost"));
  assert.deepEqual(await rig.taken(), ["lost"]);
  assert.equal(rig.committer.busy, false);
  const thrown = rig.committer.between(() => {
    throw new Error("no");
  });
  await assert.rejects(thrown, /no/);
  void rig.run("flush");
  assert.deepEqual(await rig.taken(), ["flush", "commit under 1"]);
  await rig.end();
});

Deno.test("Committer.between comes between a refused plan and the next one, in the order of the calls", async () => {
  const rig = Rig.fenced();
  rig.learn = async () => {
    await rig.committer.between(() => void rig.log.push("lost"));
  };
  void rig.run("seek");
  await rig.taken();
  void rig.committer.between(() => void rig.log.push("came before"));
  await rig.end(fenced());
  assert.deepEqual(await rig.taken(), [
    "seek undone",
    "came before",
    "learns",
    "lost",
    "knows",
    "seek",
    "commit under 1",
  ]);
  await rig.end();
});

Deno.test("Committer.between waits for a hold", async () => {
  const rig = Rig.fenced();
  const action = Promise.withResolvers<void>();
  void rig.committer.hold(() => action.promise);
  await settled();
  void rig.committer.between(() => void rig.log.push("lost"));
  assert.deepEqual(await rig.taken(), []);
  action.resolve();
  assert.deepEqual(await rig.taken(), ["lost"]);
});
