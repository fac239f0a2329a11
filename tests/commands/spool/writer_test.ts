/**
 * How files of the spool change places while others change them, too; how many of them there may be,
 * and who may read them.
 */
import assert from "node:assert/strict";
import { filesOf, pathNow, selected } from "../../../commands/spool/files.ts";
import { SpoolWriter } from "../../../commands/spool/writer.ts";
import { systemClock } from "../../../core/base/clock.ts";
import { resolvePaths } from "../../../core/protocol/paths.ts";
import { redactSpooled } from "../../../core/spool/redact.ts";
import { encodeSpooled } from "../../../core/spool/spool_file.ts";
import { spoolName, writeSpooled } from "../../../core/spool/spool_folder.ts";
import { testFolder } from "../../helpers/folder.ts";
import { filesWith } from "../../helpers/leftovers.ts";
import { modeOf } from "../../helpers/start.ts";

const SECRET = "correct-horse-battery-staple";

Deno.test("SpoolWriter.putBack takes what is there now, under its id, not what was listed", async () => {
  const folder = await testFolder("test");
  try {
    const request = { at: 0, topic: "t", query: { type: "x", idPrefix: "p" }, refused: [] };
    const body = new TextEncoder().encode(`"a"\n${JSON.stringify(SECRET)}\n`);
    const bytes = encodeSpooled({ request, body });
    const name = spoolName({ number: 1, events: 2, bytes: bytes.length, tag: "01234567" });
    await Deno.mkdir(`${folder}/refused`);
    writeSpooled({ folder: `${folder}/refused`, name }, bytes, { mode: 0o600 });
    const [listed] = selected({ folders: [folder] }, { ids: ["01234567"], refused: false });
    assert.equal(redactSpooled(folder, { topic: "t", id: "p-2" }), 1);
    const bounds = { maxBytes: 1e6, maxEvents: 1e3 };
    const place = { folder, folders: [folder], dataDir: folder, isNamed: false, ...bounds };
    const paths = resolvePaths((name) => name === "EVS_DATA_DIR" ? folder : undefined);
    const writer = new SpoolWriter({ place, paths, clock: systemClock });
    assert.equal(await writer.putBack(listed!), 1);
    assert.equal(await writer.putBack(listed!), undefined, "it is not there any more");
    const [waiting] = [...filesOf({ folders: [folder] })];
    assert.deepEqual([waiting!.id, waiting!.state, waiting!.events], ["01234567", "waiting", 1]);
    assert.deepEqual(filesWith(folder, [SECRET]), []);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("pathNow reads no folder while a file is where it was listed", async () => {
  const folder = await testFolder("test");
  const readDirSync = Deno.readDirSync;
  let reads = 0;
  Deno.readDirSync = (path) => {
    reads++;
    return readDirSync(path);
  };
  try {
    const request = { at: 0, topic: "t", query: { type: "x" }, refused: [] };
    const bytes = encodeSpooled({ request, body: new TextEncoder().encode("1\n") });
    await Deno.mkdir(`${folder}/refused`);
    for (let number = 1; number <= 20; number++) {
      const tag = String(number).padStart(8, "0");
      const name = spoolName({ number, events: 1, bytes: bytes.length, tag });
      writeSpooled({ folder: `${folder}/refused`, name }, bytes, { mode: 0o600 });
    }
    const listed = selected({ folders: [folder] }, { ids: [], refused: true });
    reads = 0;
    assert.deepEqual(listed.map(pathNow), listed.map(({ path }) => path));
    assert.deepEqual([listed.length, reads], [20, 0]);
    const moved = `${folder}/refused/${
      spoolName({ number: 7, events: 0, bytes: 9, tag: "00000007" })
    }`;
    await Deno.rename(listed[6]!.path, moved);
    assert.equal(pathNow(listed[6]!), moved);
    await Deno.remove(moved);
    assert.equal(pathNow(listed[6]!), listed[6]!.path, "as listed when it is gone");
  } finally {
    Deno.readDirSync = readDirSync;
    await Deno.remove(folder, { recursive: true });
  }
});

/** A writer into a spool with these bounds. */
function writerInto(
  folder: string,
  bounds: { maxBytes?: number; maxEvents?: number },
): SpoolWriter {
  const place = {
    folder: `${folder}/data/spool`,
    folders: [`${folder}/data/spool`],
    dataDir: `${folder}/data`,
    isNamed: false,
    maxBytes: 1e6,
    maxEvents: 1000,
    ...bounds,
  };
  const paths = resolvePaths((name) => name === "EVS_DATA_DIR" ? place.dataDir : undefined);
  return new SpoolWriter({ place, paths, clock: systemClock });
}

function fileWith(text: string) {
  const request = { at: 0, topic: "t", query: { type: "x", idPrefix: "p" } };
  return { request, body: new TextEncoder().encode(text) };
}

Deno.test("SpoolWriter.put takes as many events and bytes as the bounds say, and adds nothing beyond", async () => {
  const folder = await testFolder("test");
  try {
    const full = { code: "spool/full", exit: 7 };
    const three = fileWith("1\n2\n3\n");
    const one = fileWith("4\n");
    const byEvents = writerInto(`${folder}/a`, { maxEvents: 4 });
    await byEvents.put(three, 3);
    await assert.rejects(byEvents.put(fileWith("4\n5\n"), 2), full);
    await byEvents.put(one, 1);
    await assert.rejects(byEvents.put(one, 1), full);
    const [before, size] = [encodeSpooled(three).length, encodeSpooled(one).length];
    const byBytes = writerInto(`${folder}/b`, { maxBytes: before + size });
    await byBytes.put(three, 3);
    await byBytes.put(one, 1);
    await assert.rejects(byBytes.put(one, 1), full);
    const tight = writerInto(`${folder}/c`, { maxBytes: before + size - 1 });
    await tight.put(three, 3);
    await assert.rejects(tight.put(one, 1), full);
    const spooled = (name: string) => [...filesOf({ folders: [`${folder}/${name}/data/spool`] })];
    assert.deepEqual(["a", "b", "c"].map((name) => spooled(name).length), [2, 2, 1]);
    assert.deepEqual(spooled("a").map(({ events }) => events), [3, 1], "in order");
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("SpoolWriter.put makes a spool for its owner alone, and uses none that everybody can write", async () => {
  const folder = await testFolder("test");
  const before = Deno.umask(0);
  try {
    const writer = writerInto(folder, {});
    await writer.put(fileWith("1\n"), 1);
    const spool = `${folder}/data/spool`;
    const [file] = [...Deno.readDirSync(spool)].map(({ name }) => `${spool}/${name}`);
    assert.deepEqual([`${folder}/data`, spool, file!].map(modeOf), ["700", "700", "600"]);
    await Deno.chmod(spool, 0o777);
    await assert.rejects(writer.put(fileWith("2\n"), 1), { code: "spool/unusable" });
    await Deno.chmod(spool, 0o770);
    await writer.put(fileWith("3\n"), 1);
    const modes = [...Deno.readDirSync(spool)].map(({ name }) => modeOf(`${spool}/${name}`)).sort();
    assert.deepEqual(modes, ["600", "640"], "a group that may write there may read what is there");
  } finally {
    Deno.umask(before);
    await Deno.remove(folder, { recursive: true });
  }
});
