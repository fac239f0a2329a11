/** The head of a topic: what it says is read again, and nothing that has changed since. */
import assert from "node:assert/strict";
import { readHead, writeHead } from "../../../../core/store/file/head.ts";
import { MemoryDisk } from "../../../helpers/memory_disk.ts";

const PATH = "/t/head";

Deno.test("readHead reads what writeHead wrote, and calls damaged whatever has changed or is cut", () => {
  const disk = new MemoryDisk();
  disk.makeFolder("/t");
  assert.deepEqual(readHead(disk, "/t"), { firstSeq: 1, lastSeq: 0, damaged: false });
  const head = { firstSeq: 12, lastSeq: 40, newest: 31 };
  writeHead(disk, "/t", { firstSeq: 1, lastSeq: 7 });
  writeHead(disk, "/t", head);
  assert.deepEqual(readHead(disk, "/t"), { ...head, damaged: false });
  const bytes = disk.bytes(PATH).slice();
  const nothing = { firstSeq: 1, lastSeq: 0, damaged: true };
  for (let bit = 0; bit < bytes.length * 8; bit++) {
    const changed = bytes.slice();
    changed[bit >> 3]! ^= 1 << (bit & 7);
    disk.put(PATH, changed);
    assert.deepEqual(readHead(disk, "/t"), nothing, `bit ${bit}`);
  }
  for (let end = 0; end < bytes.length; end++) {
    disk.put(PATH, bytes.slice(0, end));
    assert.deepEqual(readHead(disk, "/t"), nothing, `cut at ${end}`);
  }
});
