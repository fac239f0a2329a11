/**
 * Others may write into the folder of a spool. Whatever is odd there is told in words and left
 * alone, and nothing else fails: not what is taken in, nor a status, a list, a redaction.
 */
import assert from "node:assert/strict";
import { newDaemon, type TestDaemon } from "../helpers/daemon.ts";
import { evs, until } from "../helpers/evs.ts";

/** A daemon that was not started yet, and the folder that its config names. */
async function withFolder(): Promise<{ at: TestDaemon & AsyncDisposable; folder: string }> {
  const at = await newDaemon();
  const folder = `${at.folder}/shared`;
  await Deno.writeTextFile(at.config, `[spool]\nfolder = "${folder}"\n`);
  await Deno.mkdir(folder, { mode: 0o700 });
  return { at, folder };
}

async function run(at: TestDaemon, ...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await evs(args, { at, env: { EVS_CONFIG: at.config } });
  assert.equal(code, 0, `${args.join(" ")}: ${stderr}`);
  return stdout;
}

const lines = (text: string) => text.split("\n").filter(Boolean).map((line) => JSON.parse(line));

/** The spool in the status of the daemon. */
async function spoolOf(at: TestDaemon) {
  return (await at.http("GET", "/v1/status")).json.spool?.[0];
}

async function payloads(at: TestDaemon): Promise<unknown[]> {
  const { status, text } = await at.http("GET", "/v1/topics/t/events");
  return status === 200 ? lines(text).map(({ payload }) => payload) : [];
}

/** What else may have the place of the folder for what was refused. */
const PLACES: Record<string, { what: RegExp; put(path: string, folder: string): void }> = {
  "a file": {
    what: /refused is not a folder/,
    put: (path) => Deno.writeTextFileSync(path, "mine"),
  },
  "a link to another folder": {
    what: /refused is a symbolic link, not a folder/,
    put: (path, folder) => Deno.symlinkSync(folder, path),
  },
};

for (const [name, { what, put }] of Object.entries(PLACES)) {
  Deno.test(`a daemon takes in what it can, and keeps the rest where it is, while the folder for what was refused is ${name}`, async () => {
    const { at: made, folder } = await withFolder();
    await using at = made;
    await at.start();
    await at.http("PUT", "/v1/schemas/number", { type: "integer" });
    await at.stop();
    const canary = `${at.folder}/canary`;
    await Deno.mkdir(canary);
    await Deno.writeTextFile(`${canary}/.new-01234567`, "mine");
    put(`${folder}/refused`, canary);
    await run(at, "publish", "t", "x", "1", "--spool");
    await run(at, "publish", "other", "number", '"two"', "--spool");
    const damaged = `${folder}/000000000007-1-2-01234567.spool`;
    await Deno.writeTextFile(damaged, "damaged");
    await run(at, "publish", "t", "x", "3", "--spool", "--id", "c");
    await at.start();
    await until(async () => (await payloads(at)).length === 2);
    assert.deepEqual(await payloads(at), [1, 3]);
    await until(async () => (await spoolOf(at))?.faults?.length === 2);
    const { waiting, faults } = await spoolOf(at);
    assert.equal(waiting, 2, "the refused one, and the damaged one");
    const told = faults.map((one: { path: string; what: string }) => `${one.path} ${one.what}`);
    assert.match(told.join("\n"), what);
    assert.match(told.join("\n"), /01234567.spool does not match its checksum/);
    assert.match(await run(at, "status"), /"faults":/);
    assert.match((await at.http("GET", "/metrics")).text, /evs_spool_waiting 2/);
    assert.equal(JSON.parse(await run(at, "redact", "t", "c", "--yes")).seq, 2);
    const { stdout, stderr, code } = await evs(["spool", "list"], {
      at,
      env: { EVS_CONFIG: at.config },
    });
    assert.equal(code, 0, stderr);
    assert.match(stderr, what);
    assert.deepEqual(lines(stdout).map(({ state }) => state), ["waiting", "damaged"]);
    const log = () => Deno.readTextFile(`${at.dataDir}/log/daemon.log`);
    await until(async () => what.test(await log()));
    assert.doesNotMatch(await log(), /unexpected error/);
    assert.deepEqual([...Deno.readDirSync(canary)].map(({ name }) => name), [".new-01234567"]);

    await Deno.remove(`${folder}/refused`);
    // Each request connects, and whoever connects has it look.
    await until(async () => {
      const spool = await spoolOf(at);
      return spool?.waiting === 0 && spool.refused === 2 && spool.faults === undefined;
    });
    assert.deepEqual(await payloads(at), [1, null]);
  });
}

Deno.test("a daemon tells of ten odd things in the spool when there are many more", async () => {
  const { at: made, folder } = await withFolder();
  await using at = made;
  await Deno.writeTextFile(`${folder}/refused`, "in the place of the folder");
  for (let n = 10; n < 50; n++) {
    await Deno.writeTextFile(`${folder}/0000000000${n}-1-2-012345${n}.spool`, "damaged");
  }
  await run(at, "publish", "t", "x", "1", "--spool");
  await at.start();
  const log = () => Deno.readTextFile(`${at.dataDir}/log/daemon.log`);
  // It comes after all of them.
  await until(async () => (await log()).includes("taken in from the spool"));
  assert.equal((await log()).match(/it is left alone/g)?.length, 10);
  assert.equal((await spoolOf(at)).faults.length, 10);
});

Deno.test("what has the name of a spooled file and is none is listed, told by the doctor, the status and the log, and removed when asked", async () => {
  const { at: made, folder } = await withFolder();
  await using at = made;
  const name = (n: number) => `${folder}/00000000000${n}-1-99-0000000${n}.spool`;
  const canary = `${at.folder}/canary`;
  await Deno.writeTextFile(canary, "mine");
  Deno.symlinkSync(canary, name(1));
  Deno.mkdirSync(name(2));
  using _socket = Deno.listen({ transport: "unix", path: name(3) });
  await Deno.writeTextFile(`${folder}/notes.txt`, "not in the place of one of ours");
  await run(at, "publish", "t", "x", "1", "--spool", "--id", "a");
  const odd = [
    ["00000001", "it is a symbolic link, not a file"],
    ["00000002", "it is a folder, not a file"],
    ["00000003", "it is not a plain file"],
  ];
  const rows = lines(await run(at, "spool", "list"));
  assert.deepEqual(
    rows.filter(({ state }) => state === "unreadable").map(({ id, what }) => [id, `it ${what}`]),
    odd,
  );
  assert.equal(rows.filter(({ state }) => state === "waiting").length, 1);
  await at.start();
  await until(async () => (await payloads(at)).length === 1);
  assert.equal((await spoolOf(at)).faults.length, 3);
  const told = lines(await run(at, "doctor", "--json")).filter(({ level }) => level === "warning");
  assert.deepEqual(told.map(({ what }) => what.split(":")[0]), odd.map(([, what]) => what));
  assert.equal(JSON.parse(await run(at, "spool", "remove", "--refused", "--yes")).removed, 0);
  const ids = odd.map(([id]) => id!);
  assert.equal(JSON.parse(await run(at, "spool", "remove", ...ids, "--yes")).removed, 3);
  assert.equal(await Deno.readTextFile(canary), "mine");
  assert.equal(await spoolOf(at), undefined);
  const timesTold = async () => {
    const log = await Deno.readTextFile(`${at.dataDir}/log/daemon.log`);
    return log.match(/it is left alone/g)?.length ?? 0;
  };
  await until(async () => await timesTold() >= 3);
  await run(at, "publish", "t", "x", "2", "--spool");
  await at.stop();
  assert.equal(await timesTold(), 3, "each is told once");
});
