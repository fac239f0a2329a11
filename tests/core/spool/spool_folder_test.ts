/**
 * The sum of a spool's folder: as true as a look into it, and without one while nothing changes. And
 * its files: whole and for their reader alone, and nothing is read that only looks like one.
 */
import assert from "node:assert/strict";
import {
  lookIntoSpool,
  readSpooled,
  spoolName,
  SpoolSummer,
  tryLockSpool,
  writeSpooled,
} from "../../../core/spool/spool_folder.ts";
import { modeOf } from "../../helpers/start.ts";

/** A folder of its own. */
async function newFolder(): Promise<{ folder: string } & AsyncDisposable> {
  const folder = await Deno.makeTempDir({ prefix: "evs-spool-" });
  return { folder, [Symbol.asyncDispose]: () => Deno.remove(folder, { recursive: true }) };
}

function add(folder: string, number: number, events: number): string {
  const path = `${folder}/${spoolName({ number, events, bytes: 1, tag: "0123abcd" })}`;
  Deno.writeTextFileSync(path, "x");
  return path;
}

/** An hour after now, so that what has just changed is long ago. */
const later = { now: () => Date.now() + 3_600_000 };

/** Calls `work` and tells how often it has read a folder. */
function readsOf(work: () => void): number {
  const { readDirSync } = Deno;
  let reads = 0;
  Deno.readDirSync = (path) => {
    reads++;
    return readDirSync(path);
  };
  try {
    work();
  } finally {
    Deno.readDirSync = readDirSync;
  }
  return reads;
}

Deno.test("SpoolSummer reads a folder once while nothing changes in it, and again when its last change is not long ago", async () => {
  await using at = await newFolder();
  add(at.folder, 1, 3);
  add(at.folder, 2, 4);
  const summer = new SpoolSummer(at.folder, later);
  const sums: number[] = [];
  const look = () => void sums.push(summer.sum().events);
  assert.equal(readsOf(() => [look(), look(), look()]), 1);
  assert.deepEqual(sums, [7, 7, 7]);
  const soon = new SpoolSummer(at.folder, { now: () => Deno.statSync(at.folder).mtime!.getTime() });
  assert.equal(readsOf(() => [soon.sum(), soon.sum()]), 2);
});

Deno.test("SpoolSummer tells what a look into the folder does after every change", async () => {
  await using at = await newFolder();
  const folder = `${at.folder}/spool`;
  const summer = new SpoolSummer(folder, { now: Date.now });
  const assertTrue = (what: string) => {
    const { entries, faults } = lookIntoSpool(folder);
    const events = entries.reduce((sum, entry) => sum + entry.events, 0);
    assert.deepEqual(summer.sum(), { events, faults }, what);
    return events;
  };
  assert.equal(assertTrue("no folder"), 0);
  Deno.mkdirSync(folder);
  assertTrue("an empty one");
  for (let n = 1; n <= 50; n++) {
    const path = add(folder, n, n);
    assertTrue("one more");
    if (n % 3 === 0) Deno.removeSync(path);
    if (n % 5 === 0) add(folder, 1000 + n, 1);
    assertTrue("one less");
  }
  Deno.mkdirSync(`${folder}/${spoolName({ number: 9999, events: 1, bytes: 1, tag: "0123abcd" })}`);
  assertTrue("a folder in the place of a file");
  Deno.renameSync(folder, `${folder}.old`);
  assert.equal(assertTrue("gone"), 0);
  Deno.writeTextFileSync(folder, "");
  assertTrue("a file in its place");
});

Deno.test("writeSpooled makes a file of exactly the mode that was asked for, and leaves nothing else", async () => {
  await using at = await newFolder();
  const { folder } = at;
  const bytes = new TextEncoder().encode("whole");
  const before = Deno.umask(0);
  try {
    writeSpooled({ folder, name: "a" }, bytes, { mode: 0o600 });
    Deno.umask(0o277);
    writeSpooled({ folder, name: "b" }, bytes, { mode: 0o640 });
  } finally {
    Deno.umask(before);
  }
  assert.deepEqual([modeOf(`${folder}/a`), modeOf(`${folder}/b`)], ["600", "640"]);
  assert.deepEqual(readSpooled(`${folder}/a`), bytes);
  assert.deepEqual(Array.from(Deno.readDirSync(folder), ({ name }) => name).sort(), ["a", "b"]);
  // A name that cannot be had: what was begun is taken away.
  Deno.mkdirSync(`${folder}/c`);
  assert.throws(() => writeSpooled({ folder, name: "c" }, bytes, { mode: 0o600 }));
  assert.equal([...Deno.readDirSync(folder)].length, 3);
});

Deno.test("readSpooled reads plain files with one name, and nothing that stands for another file", async () => {
  await using at = await newFolder();
  const { folder } = at;
  const nothing = new Uint8Array(0);
  Deno.writeTextFileSync(`${folder}/secret`, "secret");
  assert.equal(readSpooled(`${folder}/secret`)?.length, 6);
  assert.equal(readSpooled(`${folder}/none`), undefined);
  Deno.symlinkSync(`${folder}/secret`, `${folder}/link`);
  Deno.mkdirSync(`${folder}/folder`);
  for (const name of ["link", "folder"]) {
    assert.deepEqual(readSpooled(`${folder}/${name}`), nothing);
  }
  Deno.linkSync(`${folder}/secret`, `${folder}/second`);
  for (const name of ["second", "secret"]) {
    assert.deepEqual(readSpooled(`${folder}/${name}`), nothing, name);
  }
  using large = Deno.openSync(`${folder}/large`, { write: true, create: true });
  large.truncateSync(64 * 1024 * 1024 + 1);
  assert.deepEqual(readSpooled(`${folder}/large`), nothing);
});

Deno.test("tryLockSpool gives the lock to one at a time", async () => {
  await using at = await newFolder();
  const lock = tryLockSpool(at.folder);
  assert.ok(lock);
  assert.equal(tryLockSpool(at.folder), undefined);
  lock[Symbol.dispose]();
  tryLockSpool(at.folder)![Symbol.dispose]();
});
