/** The order of commits of one subscription: who is told what when, and what shares a commit. */
import assert from "node:assert/strict";
import { Committer } from "../../../core/delivery/committer.ts";
import type { Outcome, Plan, Settlement } from "../../../core/delivery/plan.ts";
import type { StateChange } from "../../../core/state/state.ts";
import { settled } from "../../helpers/fake_clock.ts";

const change: StateChange = { op: "generation.next" };

/** A committer whose ledger answers when the test says so, and what happened in order. */
class Rig {
  readonly log: string[] = [];
  readonly #pending: { resolve(): void; reject(error: Error): void }[] = [];
  readonly committer = new Committer({
    lasts: true,
    retry: () => undefined,
    commit: () => {
      this.log.push("commit");
      return new Promise((resolve, reject) => this.#pending.push({ resolve, reject }));
    },
  }, {
    settle: (items) => this.plan(`settle ${items.length}`, items.map((): Outcome => "done")),
    begun: () => this.log.push("begun"),
    stored: () => this.log.push("stored"),
    changed: () => {},
  });

  plan<T>(name: string, result: T, changes: StateChange[] = [change]): Plan<T> {
    this.log.push(name);
    return {
      changes,
      result,
      dead: [],
      apply: () => void this.log.push(`${name} applied`),
      rollback: () => void this.log.push(`${name} undone`),
    };
  }

  /** Tells when it is answered. */
  watch(name: string, work: Promise<unknown>): void {
    work.then(() => this.log.push(`${name} answered`), () => this.log.push(`${name} refused`));
  }

  /** The commit that is under way is durable, or refused. */
  async end(error?: Error): Promise<void> {
    const { resolve, reject } = this.#pending.shift()!;
    if (error) reject(error);
    else resolve();
    await settled();
  }

  /** What has happened since the last call. */
  async taken(): Promise<string[]> {
    await settled();
    return this.log.splice(0);
  }
}

const items = (count: number): Settlement[] =>
  Array.from({ length: count }, (_, i) => ({ lease: `l.${i}`, ack: true }));

Deno.test("Committer answers and applies nothing before it is durable", async () => {
  const rig = new Rig();
  rig.watch("ack", rig.committer.settle(items(2)));
  assert.deepEqual(await rig.taken(), ["settle 2", "begun", "commit"]);
  assert.equal(rig.committer.busy, true);
  await rig.end();
  assert.deepEqual(await rig.taken(), ["settle 2 applied", "stored", "ack answered"]);
  assert.equal(rig.committer.busy, false);
});

Deno.test("Committer undoes what was refused, tells it, and goes on with the next", async () => {
  const rig = new Rig();
  rig.watch("ack", rig.committer.settle(items(1)));
  await rig.taken();
  rig.watch("seek", rig.committer.plan(() => rig.plan("seek", 0)));
  await rig.end(new Error("the disk is full"));
  assert.deepEqual(await rig.taken(), [
    "settle 1 undone",
    "ack refused",
    "seek",
    "begun",
    "commit",
  ]);
  await rig.end();
  assert.deepEqual(await rig.taken(), ["seek applied", "stored", "seek answered"]);
});

Deno.test("Committer settles in one commit what comes together or during another commit, each with its own outcomes", async () => {
  const rig = new Rig();
  const together = [rig.committer.settle(items(1)), rig.committer.settle(items(2))];
  assert.deepEqual(await rig.taken(), ["settle 3", "begun", "commit"]);
  const meanwhile = [3, 1].map((count) => rig.committer.settle(items(count)));
  assert.deepEqual(await rig.taken(), []);
  await rig.end();
  assert.deepEqual((await Promise.all(together)).map(({ length }) => length), [1, 2]);
  assert.deepEqual(await rig.taken(), [
    "settle 3 applied",
    "stored",
    "settle 4",
    "begun",
    "commit",
  ]);
  await rig.end();
  assert.deepEqual((await Promise.all(meanwhile)).map(({ length }) => length), [3, 1]);
});

Deno.test("Committer decides nothing while another one is under way, and keeps the order", async () => {
  const rig = new Rig();
  rig.watch("ack", rig.committer.settle(items(1)));
  rig.watch("seek", rig.committer.plan(() => rig.plan("seek", 0)));
  rig.watch("late", rig.committer.settle(items(2)));
  assert.deepEqual(await rig.taken(), ["settle 1", "begun", "commit"]);
  await rig.end();
  assert.deepEqual((await rig.taken()).slice(-3), ["seek", "begun", "commit"]);
  await rig.end();
  assert.deepEqual((await rig.taken()).slice(-3), ["settle 2", "begun", "commit"]);
  await rig.end();
  assert.deepEqual(await rig.taken(), ["settle 2 applied", "stored", "late answered"]);
});

Deno.test("Committer.hold keeps everything else waiting until the action has ended, however it ends", async () => {
  const rig = new Rig();
  const action = Promise.withResolvers<void>();
  rig.watch("hold", rig.committer.hold(() => action.promise));
  rig.watch("ack", rig.committer.settle(items(1)));
  assert.deepEqual(await rig.taken(), []);
  action.reject(new Error("refused"));
  assert.deepEqual(await rig.taken(), ["hold refused", "settle 1", "begun", "commit"]);
  await rig.end();
});

for (let late = 0; late < 8; late++) {
  Deno.test(`Committer.between runs what is asked for ${late} microtasks after another one ran`, async () => {
    const rig = new Rig();
    const log: string[] = [];
    const first = rig.committer.between(() => void log.push("first"));
    const second = first.then(async () => {
      for (let left = late; left > 0; left--) await null;
      await rig.committer.between(() => void log.push("second"));
    });
    await settled();
    await settled();
    assert.deepEqual(log, ["first", "second"]);
    await second;
  });
}

Deno.test("Committer commits nothing for a plan without changes, and tells what a plan throws", async () => {
  const rig = new Rig();
  rig.watch("nothing", rig.committer.plan(() => rig.plan("nothing", 0, [])));
  const thrown = rig.committer.plan(() => {
    throw new Error("not now");
  });
  await assert.rejects(thrown, /not now/);
  assert.deepEqual(await rig.taken(), ["nothing", "nothing applied", "stored", "nothing answered"]);
});

Deno.test("Committer plans and commits nothing else while a plan has something to read", async () => {
  const rig = new Rig();
  const read = Promise.withResolvers<void>();
  rig.watch(
    "import",
    rig.committer.plan(async () => {
      rig.log.push("reads");
      await read.promise;
      return rig.plan("import", 0);
    }),
  );
  rig.watch("ack", rig.committer.settle(items(1)));
  assert.deepEqual(await rig.taken(), ["reads"]);
  read.resolve();
  assert.deepEqual(await rig.taken(), ["import", "begun", "commit"]);
  await rig.end();
  assert.deepEqual((await rig.taken()).slice(0, 3), [
    "import applied",
    "stored",
    "import answered",
  ]);
  await rig.end();
});

Deno.test("Committer refuses a plan that cannot read what it needs, and goes on", async () => {
  const rig = new Rig();
  rig.watch("import", rig.committer.plan(() => Promise.reject(new Error("away"))));
  rig.watch("ack", rig.committer.settle(items(1)));
  assert.deepEqual(await rig.taken(), ["import refused", "settle 1", "begun", "commit"]);
  await rig.end();
});
