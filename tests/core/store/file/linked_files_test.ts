/**
 * Contract row 21 inside the file store: no file of it is read or written through a symbolic link.
 */
import assert from "node:assert/strict";
import { FileEventStore } from "../../../../core/store/file/file_event_store.ts";
import { newEvent } from "../conformance.ts";
import { testFolder } from "../../../helpers/folder.ts";

const FILES = [
  "format",
  "t/0000000000000001.index",
  "t/0000000000000001.ndjson",
  "t/head",
];

for (const file of FILES) {
  Deno.test(`FileEventStore refuses ${file} when it is a symbolic link, and leaves its target alone`, async () => {
    const folder = await testFolder("test");
    try {
      const dir = `${folder}/events`;
      const store = new FileEventStore(dir);
      await store.append([{ topic: "t", events: [newEvent(), newEvent()] }]);
      await store.truncate("t", 2);
      await store.close();
      const target = `${folder}/canary`;
      await Deno.rename(`${dir}/${file}`, target);
      await Deno.symlink(target, `${dir}/${file}`);
      const before = await Deno.readFile(target);
      await assert.rejects(async () => {
        const linked = new FileEventStore(dir);
        try {
          await linked.append([{ topic: "t", events: [newEvent()] }]);
          linked.readLines("t", { from: 1, to: 9, limit: 9 });
        } finally {
          await linked.close();
        }
      }, { code: "datadir/unsafe", message: /is a symbolic link/ });
      assert.deepEqual(await Deno.readFile(target), before);
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  });
}
