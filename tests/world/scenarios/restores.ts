/**
 * A backup is restored, and the restore is killed or the power fails somewhere in it. The next start
 * has what was before, or what the backup has, and never less.
 */
import { BACKUP_FORMAT, MANIFEST, Sha256 } from "../../../core/backup/manifest.ts";
import { restoreBackup } from "../../../core/backup/restore.ts";
import { TarWriter } from "../../../core/backup/tar.ts";
import { settleRestore } from "../../../core/data_dir/cut_restore.ts";
import type { Act, RunningScenario, Scenario, ScenarioContext } from "./scenario.ts";
import { ask, insist, request } from "./calls.ts";
import type { Random } from "../types.ts";

const TOPIC = "ledger";
const PROMISE = "27. Missing files are noticed";
/** What of a data dir is in a backup. */
const BACKED_UP = /^(?:state\.db|events\.db|events\/.+)$/;

function plan(random: Random): Act[] {
  // The renames are few, and what matters.
  const ofRenames = random.chance(0.5);
  const after = random.int(0, ofRenames ? 3 : 60);
  const restore = { after, ofRenames, fails: random.chance(0.7), powerFails: random.chance(0.3) };
  return [
    { at: 0, act: "fill", args: { count: random.int(1, 10) } },
    { at: 3000, act: "back up", args: {} },
    { at: 6000, act: "fill", args: { count: random.int(1, 10) } },
    { at: 9000, act: "restore", args: restore },
  ];
}

/** How a restore ends. */
interface Restore {
  /** It is killed at so many calls of the disk, or renames. */
  after: number;
  ofRenames: boolean;
  fails: boolean;
  /** The power fails, too. */
  powerFails: boolean;
}

class Restores implements RunningScenario {
  readonly #context: ScenarioContext;
  #turn: Promise<void> = Promise.resolve();
  #stored = 0;
  #inBackup = 0;

  constructor(context: ScenarioContext) {
    this.#context = context;
  }

  act({ act, args }: Act): Promise<void> {
    return this.#turn = this.#turn.then(() => {
      if (act === "fill") return this.#fill(args["count"] as number);
      if (act === "back up") return this.#backUp();
      return this.#restore(args as unknown as Restore);
    });
  }

  judge(): Promise<void> {
    return this.#turn;
  }

  get #archive(): string {
    return `${this.#context.daemon.dataDir}.tar`;
  }

  async #fill(count: number): Promise<void> {
    const body = JSON.stringify({ type: "t", payload: "x" });
    for (let i = 0; i < count; i++) {
      const answer = await ask(this.#context, (client) => client.publish(TOPIC, body));
      if (answer.is === "done") this.#stored++;
    }
  }

  /** `evs backup` copies databases in a thread of SQLite's own; of a stopped daemon files do. */
  async #backUp(): Promise<void> {
    const { world: { machine }, daemon } = this.#context;
    await daemon.shutDown();
    const parts = machine.files(daemon.dataDir).map((path) => path.slice(daemon.dataDir.length + 1))
      .filter((path) => BACKED_UP.test(path) && !path.endsWith(".lookup"));
    const files = parts.map((path) => {
      const bytes = machine.bytes(`${daemon.dataDir}/${path}`);
      const sum = new Sha256();
      sum.add(bytes);
      return { path, bytes, size: bytes.length, sha256: sum.get() };
    }).filter(({ size }) => size > 0);
    using out = Deno.openSync(this.#archive, { write: true, create: true, mode: 0o600 });
    const tar = new TarWriter(out, { modifiedAt: 0 });
    const manifest = {
      format: BACKUP_FORMAT,
      version: "0",
      createdAt: 0,
      topics: 1,
      events: this.#stored,
      files: files.map(({ path, size, sha256 }) => ({ path, size, sha256 })),
    };
    tar.addBytes(MANIFEST, new TextEncoder().encode(JSON.stringify(manifest)));
    for (const { path, bytes } of files) tar.addBytes(path, bytes);
    tar.finish();
    this.#inBackup = this.#stored;
    await this.#start();
  }

  async #restore({ after, ofRenames, fails, powerFails }: Restore): Promise<void> {
    const { world, daemon: { dataDir }, daemon } = this.#context;
    await daemon.shutDown();
    const restoring = world.spawn("restore", async () => {
      await restoreBackup({ file: this.#archive, dataDir, force: true, now: world.now() });
    });
    if (fails) {
      const ops = ofRenames ? { ops: ["rename" as const] } : {};
      world.machine.fault({ kind: "kill", after, ...ops });
    }
    const { how } = await restoring.ended;
    world.machine.clearFaults();
    if (how === "killed" && powerFails) world.machine.powerCut();
    await this.#start();
    const { text } = await insist(
      this.#context,
      (client) => request(client, { method: "GET", path: `/v1/topics/${TOPIC}/events` }),
    );
    const there = text.split("\n").filter((line) => line.includes('"payload"')).length;
    const allowed = how === "exited" ? [this.#inBackup] : [this.#inBackup, this.#stored];
    if (!allowed.includes(there)) {
      world.violated(PROMISE, `a restore that was ${how} left ${there} events, not ${allowed}`);
    }
  }

  /** As `evs daemon start` does it. */
  async #start(): Promise<void> {
    const { world, daemon } = this.#context;
    settleRestore(daemon.dataDir);
    const started = await daemon.start();
    if (started !== "ready") world.violated(PROMISE, `it did not start: ${started.said}`);
  }
}

export const restores: Scenario = {
  name: "restores",
  tolerates: [],
  plan,
  begin: (context) => new Restores(context),
};
