/**
 * A restore that was interrupted between its steps: what the next command does with the remains.
 */
import assert from "node:assert/strict";
import { findCutRestore, leftovers, settleRestore } from "../../../core/data_dir/cut_restore.ts";
import { writeWatermarks } from "../../../core/data_dir/watermarks.ts";
import { evs } from "../../helpers/evs.ts";
import { testFolder } from "../../helpers/folder.ts";

async function inFolder(work: (dataDir: string) => void | Promise<void>): Promise<void> {
  const folder = await testFolder("test");
  try {
    await work(`${folder}/data`);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

function make(path: string, { complete }: { complete: boolean }): void {
  Deno.mkdirSync(path);
  Deno.writeTextFileSync(`${path}/mine`, path);
  const marks = { phase: "restored" as const, generation: 0, files: [], ends: new Map() };
  if (complete) writeWatermarks(path, marks);
}

function content(dataDir: string): string {
  return Deno.readTextFileSync(`${dataDir}/mine`);
}

Deno.test("settleRestore finishes a restore whose data dir was put aside and whose new one is complete", () =>
  inFolder((dataDir) => {
    make(`${dataDir}.before-restore-2`, { complete: false });
    make(`${dataDir}.restoring-2`, { complete: true });
    make(`${dataDir}.restoring-1`, { complete: false });
    assert.equal(findCutRestore(dataDir)?.way, "finish");
    assert.match(
      settleRestore(dataDir)!,
      /was finished; the previous data dir is .*before-restore-2/,
    );
    assert.equal(content(dataDir), `${dataDir}.restoring-2`);
    assert.equal(settleRestore(dataDir), undefined, "once");
    assert.deepEqual(leftovers(dataDir), [`${dataDir}.restoring-1`]);
  }));

Deno.test("settleRestore takes a restore back whose new data dir is not complete", () =>
  inFolder((dataDir) => {
    make(`${dataDir}.before-restore-2`, { complete: false });
    make(`${dataDir}.restoring-2`, { complete: false });
    assert.match(settleRestore(dataDir)!, /was rolled back/);
    assert.equal(content(dataDir), `${dataDir}.before-restore-2`);
    assert.deepEqual(leftovers(dataDir), [`${dataDir}.restoring-2`]);
  }));

Deno.test("settleRestore finishes a restore into a place where nothing was", () =>
  inFolder((dataDir) => {
    make(`${dataDir}.restoring-1`, { complete: true });
    assert.match(settleRestore(dataDir)!, /was finished$/);
    assert.equal(content(dataDir), `${dataDir}.restoring-1`);
  }));

Deno.test("settleRestore touches nothing where there is a data dir, or only one that was put aside", () =>
  inFolder((dataDir) => {
    make(`${dataDir}.before-restore-1`, { complete: true });
    assert.equal(settleRestore(dataDir), undefined, "whoever removed the data dir knows why");
    make(dataDir, { complete: false });
    make(`${dataDir}.restoring-2`, { complete: true });
    assert.equal(settleRestore(dataDir), undefined);
    assert.equal(content(dataDir), dataDir);
  }));

Deno.test("settleRestore refuses while a restore is under way", () =>
  inFolder((dataDir) => {
    make(`${dataDir}.before-restore-2`, { complete: false });
    make(`${dataDir}.restoring-2`, { complete: true });
    const held = Deno.openSync(`${dataDir}.restoring-2`, { read: true });
    held.lockSync(true);
    assert.throws(() => settleRestore(dataDir), /a restore of .* is under way/);
    held.close();
  }));

Deno.test("evs doctor says of a data dir that is not there that its restore was cut short", () =>
  inFolder(async (dataDir) => {
    make(`${dataDir}.before-restore-2`, { complete: false });
    make(`${dataDir}.restoring-2`, { complete: true });
    const at = { socket: `${dataDir}.sock`, dataDir };
    const { code, stderr } = await evs(["doctor"], { at });
    assert.equal(code, 1);
    assert.match(stderr, /a restore of it was cut short/);
    assert.match(stderr, /evs daemon start finishes it/);
  }));
