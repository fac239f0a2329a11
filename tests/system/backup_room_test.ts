/**
 * evs backup and other commands that write a copy: on a full disk, killed midway, and to standard
 * output.
 */
import assert from "node:assert/strict";
import { newDaemon, startDaemon, type TestDaemon } from "../helpers/daemon.ts";
import { Disk } from "../helpers/disk.ts";
import { evs, evsCommand } from "../helpers/evs.ts";
import { needTools } from "../helpers/shell.ts";

const MIB = 1024 * 1024;
const decoder = new TextDecoder();

/** A daemon with about 4 MiB of events and a dead letter. */
async function daemonWithEvents(store: string): Promise<TestDaemon> {
  const daemon = await startDaemon({ store });
  const payloads = Array.from({ length: 400 }, (_, n) => `${n} ${"x".repeat(10_000)}`);
  await daemon.publish("orders", "placed", ...payloads);
  return daemon;
}

/** Runs evs with its standard output going to a file. */
async function evsInto(
  file: string,
  args: readonly string[],
  at: TestDaemon,
): Promise<{ code: number; stderr: string }> {
  const { program, options } = evsCommand(args, { at });
  const { code, stderr } = await new Deno.Command("sh", {
    ...options,
    args: ["-c", 'out=$1; shift; exec "$@" > "$out"', "sh", file, program, ...options.args ?? []],
  }).output();
  return { code, stderr: decoder.decode(stderr) };
}

const names = (folder: string) => [...Deno.readDirSync(folder)].map(({ name }) => name).sort();

for (const store of ["sqlite", "file"]) {
  Deno.test(`evs backup says in words that the disk is full, and leaves nothing behind: ${store}`, async () => {
    needTools("mkfs.ext4", "mount", "fallocate");
    await using daemon = await daemonWithEvents(store);
    await using disk = await Disk.make(32);
    const file = `${disk.path}/evs.tar`;
    for (const left of [0, 1 / 16, 0.5, 2, 5, 7].map((mebibytes) => mebibytes * MIB)) {
      await disk.fill(left);
      const { code, stderr } = await evs(["backup", file], { at: daemon });
      assert.equal(code, 7, `${left}: ${stderr}`);
      assert.match(stderr, /no backup was made: the disk of \S+ is full\n.*two copies/, `${left}`);
      assert.doesNotMatch(stderr, /^ +at /m);
      assert.deepEqual(names(disk.path), ["filler", "lost+found"], `${left}`);
      await disk.makeRoom();
    }
    // What only prints says so, too; so does what unpacks.
    assert.equal((await evs(["backup", file], { at: daemon })).code, 0);
    await disk.fill(MIB / 8);
    for (const args of [["export"], ["backup", "-"], ["replay", "orders"]]) {
      const { code, stderr } = await evsInto(`${disk.path}/out`, args, daemon);
      assert.equal(code, 7, `${args}: ${stderr}`);
      assert.match(stderr, /(?:no space left on device|disk of \S+ is full)/i);
      assert.doesNotMatch(stderr, /^ +at /m);
      await Deno.remove(`${disk.path}/out`);
    }
    await using other = await newDaemon({ dataDir: `${disk.path}/data` });
    const restored = await evs(["restore", file], { at: other });
    assert.equal(restored.code, 7, restored.stderr);
    assert.match(restored.stderr, /no space left on device/i);
    assert.deepEqual(names(disk.path), ["evs.tar", "filler", "lost+found"]);
    await daemon.stop();
  });
}

Deno.test("evs backup removes what a killed one left behind, and evs doctor names it", async () => {
  needTools("strace");
  await using daemon = await daemonWithEvents("sqlite");
  // The runtime renames, too, what it keeps of a module that it loads for the first time.
  assert.equal((await evs(["backup", `${daemon.folder}/monday.tar`], { at: daemon })).code, 0);
  const file = `${daemon.folder}/evs.tar`;
  const { program, options } = evsCommand(["backup", file], { at: daemon });
  const inject = ["-f", "-o", "/dev/null", "-e", "trace=rename", "-e"];
  const killed = await new Deno.Command("strace", {
    ...options,
    args: [...inject, "inject=rename:signal=SIGKILL", program, ...options.args ?? []],
  }).output();
  assert.notEqual(killed.code, 0);
  const left = names(daemon.folder).filter((name) => name.includes(".part-"));
  assert.equal(left.length, 1, names(daemon.folder).join(" "));
  // Somebody's own folder, and that of a backup that still runs, stay.
  await Deno.mkdir(`${daemon.folder}/mine.part-1`);
  await Deno.writeTextFile(`${daemon.folder}/mine.part-1/notes`, "");
  await Deno.mkdir(`${daemon.folder}/other.tar.part-2`);
  using running = await Deno.open(`${daemon.folder}/other.tar.part-2`, { read: true });
  running.lockSync(true);

  const doctor = await evs(["doctor", "--json"], { at: daemon });
  const found = doctor.stdout.trim().split("\n").map((line) => JSON.parse(line))
    .filter(({ check }) => check === "left-behind");
  assert.deepEqual(found.map(({ level, where }) => [level, where]), [
    ["warning", `${daemon.folder}/${left[0]}`],
  ]);
  const again = await evs(["backup", `${daemon.folder}/tuesday.tar`], { at: daemon });
  assert.equal(again.code, 0, again.stderr);
  assert.deepEqual(names(daemon.folder).filter((name) => name.includes(".part-")), [
    "mine.part-1",
    "other.tar.part-2",
  ]);
  await daemon.stop();
});

Deno.test("evs backup - writes to standard output, and evs restore - reads from standard input", async () => {
  await using daemon = await daemonWithEvents("sqlite");
  const piped = `${daemon.folder}/piped.tar`;
  const { code, stderr } = await evsInto(piped, ["backup", "-"], daemon);
  assert.equal(code, 0, stderr);
  assert.deepEqual(names(daemon.folder).filter((name) => /^-$|part-/.test(name)), []);
  await using other = await newDaemon();
  const { program, options } = evsCommand(["restore", "-"], { at: other });
  const restored = await new Deno.Command("sh", {
    ...options,
    args: ["-c", 'from=$1; shift; cat "$from" | "$@"', "sh", piped, program, ...options.args ?? []],
  }).output();
  assert.equal(restored.code, 0, decoder.decode(restored.stderr));
  await other.start();
  assert.deepEqual(await other.replay("orders"), await daemon.replay("orders"));
  // Half a backup is no backup: both the writer and the reader report it.
  const cut = evsCommand(["backup", "-"], { at: daemon });
  const half = await new Deno.Command("bash", {
    ...cut.options,
    args: [
      "-c",
      '"$@" | head -c 100000; exit ${PIPESTATUS[0]}',
      "bash",
      cut.program,
      ...cut.options.args ?? [],
    ],
  }).output();
  assert.equal(half.code, 7, decoder.decode(half.stderr));
  assert.match(decoder.decode(half.stderr), /has no whole backup/);
  await Promise.all([daemon.stop(), other.stop()]);
});
