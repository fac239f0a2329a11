/** Folders of unfinished backups: only those that nobody works on, and that are ours, are removed. */
import assert from "node:assert/strict";
import { leftBehind, makeStaging, removeLeftBehind } from "../../../core/data_dir/staging.ts";
import { inFolder, modeOf } from "../../helpers/start.ts";

Deno.test("makeStaging makes a folder for its owner alone, and removes it with what is in it", () =>
  inFolder((folder) => {
    {
      using staging = makeStaging(`${folder}/b.tar`);
      assert.equal(staging.path, `${folder}/b.tar.part-${Deno.pid}`);
      assert.equal(modeOf(staging.path), "700");
      Deno.writeTextFileSync(`${staging.path}/state.db`, "");
    }
    assert.deepEqual([...Deno.readDirSync(folder)], []);
  }));

Deno.test("removeLeftBehind removes what a killed backup left, and nothing in use or of somebody else", () =>
  inFolder((folder) => {
    const make = (name: string, file: string) => {
      Deno.mkdirSync(`${folder}/${name}`);
      Deno.writeTextFileSync(`${folder}/${name}/${file}`, "");
    };
    using staging = makeStaging(`${folder}/b.tar`);
    Deno.writeTextFileSync(`${staging.path}/state.db`, "");
    make("c.tar.part-1", "events.db-wal");
    make("d.tar.part-2", "thesis.txt");
    make("part-3", "state.db");
    make("e.tar.part-4x", "state.db");
    assert.deepEqual(leftBehind(folder), [`${folder}/c.tar.part-1`]);
    removeLeftBehind(folder);
    const left = Array.from(Deno.readDirSync(folder), ({ name }) => name).toSorted();
    assert.deepEqual(left, [`b.tar.part-${Deno.pid}`, "d.tar.part-2", "e.tar.part-4x", "part-3"]);
    assert.deepEqual(leftBehind(`${folder}/nothing`), []);
  }));
