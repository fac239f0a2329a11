/** A backup may come from anybody, and the folder beside the data dir may be shared. */
import assert from "node:assert/strict";
import { BACKUP_FORMAT, MANIFEST, Sha256 } from "../../../core/backup/manifest.ts";
import { restoreBackup } from "../../../core/backup/restore.ts";
import { TarWriter } from "../../../core/backup/tar.ts";
import { DataDirError } from "../../../core/base/errors.ts";

const encoder = new TextEncoder();
const CONTENT = encoder.encode("1\n");
const NOW = Date.UTC(2026, 0, 1);

/** A folder with a backup in it. */
function setUp(write: (tar: TarWriter) => void) {
  const folder = Deno.makeTempDirSync({ prefix: "evs-restore-" });
  const options = { file: `${folder}/backup.tar`, dataDir: `${folder}/data`, force: false };
  const out = Deno.openSync(options.file, { write: true, createNew: true });
  const tar = new TarWriter(out, { modifiedAt: 0 });
  write(tar);
  tar.finish();
  out.close();
  return {
    ...options,
    folder,
    restore: () => restoreBackup({ ...options, now: NOW }),
    [Symbol.dispose]: () => Deno.removeSync(folder, { recursive: true }),
  };
}

function good(tar: TarWriter): void {
  const sum = new Sha256();
  sum.add(CONTENT);
  const files = [{ path: "events/format", size: CONTENT.length, sha256: sum.get() }];
  const manifest = { format: BACKUP_FORMAT, createdAt: 1, topics: 0, events: 0, files };
  tar.addBytes(MANIFEST, encoder.encode(JSON.stringify(manifest)));
  tar.addBytes("events/format", CONTENT);
}

/** Makes a header claim another size. */
function claimSize(file: string, size: number): void {
  const bytes = Deno.readFileSync(file);
  const put = (text: string, at: number) => bytes.set(encoder.encode(text), at);
  put(`${size.toString(8).padStart(11, "0")}\0`, 124);
  put("        ", 148);
  const sum = bytes.subarray(0, 512).reduce((total, byte) => total + byte, 0);
  put(`${sum.toString(8).padStart(6, "0")}\0 `, 148);
  Deno.writeFileSync(file, bytes);
  Deno.truncateSync(file, size + 4096);
}

Deno.test("restoreBackup makes its folder anew: one that somebody put there beforehand is left alone", async () => {
  using at = setUp(good);
  await at.restore();
  assert.equal(Deno.readTextFileSync(`${at.dataDir}/events/format`), "1\n");
  Deno.removeSync(at.dataDir, { recursive: true });

  const planted = `${at.dataDir}.restoring-20260101T000000000Z`;
  Deno.mkdirSync(`${planted}/events`, { recursive: true });
  await assert.rejects(at.restore, Deno.errors.AlreadyExists);
  assert.deepEqual([...Deno.readDirSync(`${planted}/events`)], []);
  assert.throws(() => Deno.lstatSync(at.dataDir), Deno.errors.NotFound);
});

Deno.test("restoreBackup refuses a manifest and a name without end before it reads them", async () => {
  using manifest = setUp(good);
  claimSize(manifest.file, 8 * 2 ** 30 - 1);
  const refused = (words: RegExp) => (error: unknown) => {
    assert.ok(error instanceof DataDirError, String(error));
    assert.match(error.message, words);
    return true;
  };
  await assert.rejects(manifest.restore, refused(/its manifest does not end/));
  using name = setUp((tar) => tar.addBytes("n".repeat(5000), CONTENT));
  await assert.rejects(name.restore, refused(/a name in it does not end/));
  assert.throws(() => Deno.lstatSync(name.dataDir), Deno.errors.NotFound);
});
