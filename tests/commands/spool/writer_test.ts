/** How files of the spool change places while others change them, too. */
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
