/**
 * Contract row 27: `evs restore --force` is killed at each of its renames, or anywhere in between,
 * possibly with a power cut. The next start completes the restore or rolls it back, with a message;
 * the data dir is the old one or the new one, complete, and never an empty one. Needs root, strace
 * and its own file system.
 */
import assert from "node:assert/strict";
import { leftovers } from "../../core/data_dir/cut_restore.ts";
import { newDaemon, startDaemon, type TestDaemon } from "../helpers/daemon.ts";
import { Disk } from "../helpers/disk.ts";
import { dose } from "../helpers/dose.ts";
import { evs, evsCommand, isAlive, until } from "../helpers/evs.ts";
import { needTools } from "../helpers/shell.ts";

/** Syscalls to be killed at, and how often each comes at least. */
const CALLS = [
  { call: "rename", at: [1, 2, 3] },
  { call: "fsync", at: [2, 4, 6] },
  { call: "fdatasync,mkdir", at: [1, 3] },
];

async function restoreKilled(
  daemon: TestDaemon,
  backup: string,
  { call, at }: { call: string; at: number },
): Promise<boolean> {
  const { program, options } = evsCommand(["restore", backup, "--force"], { at: daemon });
  const trace = ["-f", "-qq", "-o", "/dev/null", "-e", `trace=${call}`];
  const { code } = await new Deno.Command("strace", {
    ...options,
    args: [...trace, "-e", `inject=${call}:signal=SIGKILL:when=${at}`, program, ...options.args!],
  }).output();
  return code !== 0;
}

async function seqs(daemon: TestDaemon): Promise<number[]> {
  const { stdout, code, stderr } = await evs(["replay", "t", "--json"], { at: daemon });
  assert.equal(code, 0, stderr);
  return stdout.split("\n").filter(Boolean).map((line) => JSON.parse(line).seq);
}

for (const store of ["sqlite", "file"]) {
  Deno.test(`evs restore that is cut short anywhere is finished or taken back, never served empty: ${store}`, async () => {
    needTools("strace", "mkfs.ext4", "perl");
    await using source = await startDaemon({ store });
    await source.publish("t", "x", 1, 2, 3);
    const backup = `${source.folder}/backup.tar`;
    assert.equal((await evs(["backup", backup], { at: source })).code, 0);
    let [killed, finished, takenBack] = [0, 0, 0];
    const cuts = CALLS.flatMap(({ call, at }) => at.map((n) => ({ call, at: n })));
    for (let n = 0; n < dose(3, 100); n++) {
      const cut = cuts[n % cuts.length]!;
      const power = n % 2 === 1;
      const where = `${cut.call} ${cut.at}${power ? ", power" : ""}`;
      await using disk = await Disk.make(48);
      const dataDir = `${disk.path}/data`;
      await using daemon = await newDaemon({ store, dataDir });
      await daemon.start();
      await daemon.publish("t", "x", 1, 2, 3, 4, 5);
      await daemon.stop();
      if (await restoreKilled(daemon, backup, cut)) killed++;
      if (power) {
        await disk.cutPower();
        await disk.unmount();
        await disk.mount();
      }
      const start = await evs(["daemon", "start"], { at: daemon });
      assert.equal(start.code, 0, `${where}: ${start.stderr}`);
      const found = await seqs(daemon);
      if (found.length === 3) finished++;
      else takenBack++;
      assert.ok([3, 5].includes(found.length), `${where}: ${found}`);
      if (/was finished|was rolled back/.test(start.stderr)) {
        assert.match(start.stderr, /a restore of .*data was cut short/, where);
      }
      const doctor = await evs(["doctor"], { at: daemon });
      assert.equal(doctor.code, 0, `${where}: ${doctor.stdout}`);
      for (const left of leftovers(dataDir)) {
        assert.ok(doctor.stdout.includes(left), `${where}: ${left} is named`);
      }
      assert.equal((await evs(["daemon", "stop"], { at: daemon })).code, 0);
      // It has let go of its lock; its files are closed when the process is gone.
      const { pid } = JSON.parse(start.stdout);
      await until(async () => !await isAlive(pid));
    }
    assert.ok(killed > 0 && takenBack > 0, `${killed} killed, ${finished}, ${takenBack}`);
  });
}
