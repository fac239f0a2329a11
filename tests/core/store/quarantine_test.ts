/** Copies of damaged files: what is kept, for whom, and until who accepts it. */
import assert from "node:assert/strict";
import {
  acceptQuarantine,
  keepCopy,
  moveAside,
  noteLoss,
  quarantineBeside,
  readQuarantine,
} from "../../../core/store/quarantine.ts";
import { inFolder } from "../../helpers/start.ts";

const NOW = Date.UTC(2026, 0, 1);
const WHAT = { what: "its checksum does not match", now: NOW };

/** A file in a data dir, as anybody may read it. */
function put(path: string, text: string): void {
  Deno.writeTextFileSync(path, text);
  Deno.chmodSync(path, 0o644);
}

Deno.test("keepCopy keeps every copy, for the owner alone, when several are made in one millisecond", () =>
  inFolder((folder) => {
    const path = `${folder}/events.db`;
    for (const text of ["first", "second", "third"]) {
      put(path, text);
      keepCopy(path, WHAT);
    }
    const entries = readQuarantine(quarantineBeside(path));
    const texts = entries.map(({ copy }) => Deno.readTextFileSync(`${folder}/quarantine/${copy}`));
    assert.deepEqual(texts, ["first", "second", "third"]);
    for (const { name } of Deno.readDirSync(`${folder}/quarantine`)) {
      assert.equal(Deno.statSync(`${folder}/quarantine/${name}`).mode! & 0o777, 0o600, name);
    }
    assert.equal(Deno.statSync(`${folder}/quarantine`).mode! & 0o777, 0o700);
    assert.equal(Deno.readTextFileSync(path), "third", "the file itself stays");
  }));

Deno.test("moveAside moves all files that belong together, and says so first", () =>
  inFolder((folder) => {
    const path = `${folder}/events.db`;
    put(path, "pages");
    put(`${path}-wal`, "log");
    // The third of them is not there.
    moveAside([path, `${path}-wal`, `${path}-shm`], WHAT);
    const [entry] = readQuarantine(`${folder}/quarantine`);
    assert.equal(entry?.file, "events.db");
    assert.equal(Deno.readTextFileSync(`${folder}/quarantine/${entry!.copy}`), "pages");
    assert.equal(Deno.readTextFileSync(`${folder}/quarantine/${entry!.copy}-wal`), "log");
    assert.deepEqual([...Deno.readDirSync(folder)].map(({ name }) => name), ["quarantine"]);
  }));

Deno.test("noteLoss records a loss once until it is accepted, and then again", () =>
  inFolder((folder) => {
    const quarantine = `${folder}/quarantine`;
    const loss = { file: "state.db", what: "it is gone", now: NOW };
    noteLoss(quarantine, loss);
    noteLoss(quarantine, loss);
    noteLoss(quarantine, { ...loss, what: "it is older" });
    assert.deepEqual(readQuarantine(quarantine).map(({ what }) => what), [
      "it is gone",
      "it is older",
    ]);
    acceptQuarantine(quarantine);
    assert.deepEqual(readQuarantine(quarantine).map(({ accepted }) => accepted), [true, true]);
    noteLoss(quarantine, loss);
    const entries = readQuarantine(quarantine);
    assert.deepEqual(entries.map(({ accepted }) => accepted), [true, true, false]);
    assert.ok(entries.every(({ gone }) => gone));
  }));

Deno.test("readQuarantine skips a line that a crash cut short, and reads on", () =>
  inFolder((folder) => {
    assert.deepEqual(readQuarantine(`${folder}/quarantine`), []);
    const path = `${folder}/a`;
    put(path, "a");
    keepCopy(path, WHAT);
    const index = `${folder}/quarantine/index.ndjson`;
    Deno.writeTextFileSync(index, '{"file":"b","copy', { append: true });
    keepCopy(path, { ...WHAT, now: NOW + 1 });
    assert.deepEqual(readQuarantine(`${folder}/quarantine`).map(({ file }) => file), ["a", "a"]);
  }));
