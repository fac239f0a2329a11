/** Reads that the machine refuses: each store tells them as such, and not as a bug or as damage. */
import assert from "node:assert/strict";
import { InternalError } from "../../../core/base/errors.ts";
import { asReadError } from "../../../core/store/read_error.ts";
import { type Disk, systemDisk } from "../../../core/store/file/disk.ts";
import { FileEventStore } from "../../../core/store/file/file_event_store.ts";
import { ForwardingStore } from "../../../core/store/forwarding_store.ts";
import { MemoryEventStore } from "../../../core/store/memory.ts";
import type { SyncEventReader } from "../../../core/store/reader.ts";
import { newEvent } from "../../../testing/new_event.ts";
import { inFolder } from "../../helpers/start.ts";

const refused = Object.assign(new Error("disk I/O error"), { errcode: 266 });

Deno.test("asReadError tells what the machine refused, and leaves everything else alone", () => {
  const others = [
    new InternalError("a bug"),
    new Error("no such table: log"),
    Object.assign(new Error("database disk image is malformed"), { errcode: 11 }),
    Object.assign(new Error("database or disk is full"), { errcode: 10 | (19 << 8) }),
    "text",
    undefined,
  ];
  for (const error of others) assert.equal(asReadError(error, "it"), error);
  const codes = [
    refused,
    Object.assign(new Error("out of memory"), { errcode: 7 }),
    new Error("Input/output error (os error 5): read"),
    new Error("disk I/O error"),
  ];
  for (const error of codes) {
    const told = asReadError(error, "it") as Error & { code: string };
    assert.equal(told.code, "datadir/unreadable");
    assert.equal(told.cause, error);
    assert.equal(asReadError(told, "more"), told, "once");
  }
});

/** A store whose reader is refused by the machine. */
class RefusedStore extends ForwardingStore {
  readonly durable = true;
  readonly #memory = new MemoryEventStore();
  topics = () => [];
  append = () => Promise.resolve([]);
  truncate = () => Promise.resolve(0);
  removeTopic = () => Promise.resolve();
  getEvents = () => Promise.resolve([]);
  close = () => Promise.resolve();

  protected readerOf(): SyncEventReader {
    return new Proxy(this.#memory, {
      get: () => () => {
        throw refused;
      },
    });
  }
}

Deno.test("ForwardingStore tells each read that the machine refuses with the topic's name", () => {
  const store = new RefusedStore();
  const query = { from: 1, to: 9, limit: 9 };
  const reads = [
    () => store.readPage("t", query),
    () => store.readLines("t", query),
    () => store.readKey("t", { ...query, key: "k" }),
    () => store.lastSeqOfKey("t", "k"),
    () => store.find("t", "id"),
    () => store.seekTime("t", 0),
    () => store.seekBytes("t", 0),
  ];
  for (const read of reads) {
    assert.throws(read, { code: "datadir/unreadable", message: /^what is stored of t could not/ });
  }
});

Deno.test("FileEventStore tells a segment that cannot be read, and reads it when it can", () =>
  inFolder(async (folder) => {
    let isRefused = false;
    const disk: Disk = {
      ...systemDisk,
      open: (...given) => {
        const file = systemDisk.open(...given);
        const read = file.read.bind(file);
        file.read = (...args: Parameters<typeof read>) => {
          if (isRefused) throw new Error("Input/output error (os error 5)");
          return read(...args);
        };
        return file;
      },
    };
    const first = new FileEventStore(folder);
    await first.append([{ topic: "t", events: [newEvent()] }]);
    await first.close();
    const store = new FileEventStore(folder, { disk });
    isRefused = true;
    const page = () => store.readPage("t", { from: 1, to: 1, limit: 1 });
    assert.throws(page, { code: "datadir/unreadable" });
    isRefused = false;
    assert.equal(page().events.length, 1);
    assert.deepEqual(store.damage(), [], "it is no damage");
    await store.close();
  }));
