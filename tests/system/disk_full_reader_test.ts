/**
 * Deleting on a full disk while another program holds a read transaction on the database: its log
 * cannot be emptied, so a large removal may stop midway. The error says so, what is deleted and what
 * is left is consistent, and the next try goes on.
 */
import assert from "node:assert/strict";
import { DatabaseSync } from "node:sqlite";
import { CannotStoreError, isDiskFull } from "../../core/base/errors.ts";
import { SqliteEventStore } from "../../core/store/sqlite/sqlite_event_store.ts";
import { RESERVE, SpaceReserve } from "../../daemon/space_reserve.ts";
import { newEvent } from "../../testing/new_event.ts";
import { Disk } from "../helpers/disk.ts";
import { needTools } from "../helpers/shell.ts";

/** Reads a database in a transaction until its standard input is closed. */
const READER = `
import { DatabaseSync } from "node:sqlite";
const database = new DatabaseSync(Deno.args[0], { readOnly: true });
database.exec("BEGIN");
database.prepare("SELECT count(*) FROM topics").get();
console.log("reading");
await Deno.stdin.read(new Uint8Array(1));
database.close();
`;

/** Begins to read; dispose of it to end it. */
async function read(path: string, script: string): Promise<AsyncDisposable> {
  await Deno.writeTextFile(script, READER);
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", "--quiet", "-A", script, path],
    stdin: "piped",
    stdout: "piped",
  }).spawn();
  const reader = child.stdout.getReader();
  assert.match(new TextDecoder().decode((await reader.read()).value), /reading/);
  return {
    async [Symbol.asyncDispose]() {
      await child.stdin.close();
      await reader.cancel();
      assert.equal((await child.status).code, 0);
    },
  };
}

const SIZE = 1000;
/** What is left of the disk when the removal begins, bytes. */
const LEFT = 300 * 1024;

function emptyLog(path: string): void {
  using database = new DatabaseSync(path);
  const result = database.prepare("PRAGMA wal_checkpoint(TRUNCATE)").get() as { busy: number };
  assert.equal(result.busy, 0);
}

function fill(store: SqliteEventStore, topic: string): void {
  for (let size = 100; size >= 1;) {
    const events = Array.from(
      { length: size },
      () => newEvent({ payload: JSON.stringify("x".repeat(SIZE)) }),
    );
    try {
      store.appendSync([{ topic, events }]);
    } catch (error) {
      assert.ok(isDiskFull(error), String(error));
      size >>= 1;
    }
  }
}

/** What is left of a topic, which has to begin and end where the store says. */
function assertConsistent(store: SqliteEventStore, topic: string): { firstSeq: number } {
  const { firstSeq, lastSeq } = store.head(topic);
  let next = firstSeq;
  while (next <= lastSeq) {
    const page = store.readPage(topic, { from: next, to: lastSeq, limit: 1000 });
    assert.ok(page.events.length > 0, `nothing at ${next} of ${lastSeq}`);
    for (const { seq } of page.events) assert.equal(seq, next++);
  }
  return { firstSeq };
}

Deno.test("SqliteEventStore says what a removal has deleted when a reader stops it on a full disk, and goes on", async () => {
  needTools("mkfs.ext4", "mount", "fallocate");
  await using disk = await Disk.make(48);
  const path = `${disk.path}/events.db`;
  const room = new SpaceReserve(`${disk.path}/reserve`, { size: RESERVE });
  room.make();
  const store = new SqliteEventStore(path, { room });
  try {
    store.appendSync([{ topic: "other", events: [newEvent({ payload: "1" })] }]);
    fill(store, "large");
    // The database has all of it, its log is empty, and there is room for a few steps only.
    store.keepRoomSync(false);
    room.release();
    emptyLog(path);
    await disk.fill(LEFT);
    const { lastSeq } = store.head("large");
    {
      await using _reader = await read(path, `${disk.folder}/reader.ts`);
      let stopped: CannotStoreError | undefined;
      try {
        store.removeTopicSync("large");
      } catch (error) {
        assert.ok(error instanceof CannotStoreError && isDiskFull(error), String(error));
        stopped = error;
      }
      assert.ok(stopped, "the reader leaves no room");
      const { firstSeq } = assertConsistent(store, "large");
      assert.equal(store.head("large").lastSeq, lastSeq);
      assert.ok(firstSeq > 1, "a part of it is deleted");
      assert.equal(
        stopped.message,
        "the disk is full, and somebody is reading events.db, so that its log cannot be emptied: " +
          `events 1 to ${firstSeq - 1} of large were deleted, ${firstSeq} to ${lastSeq} were not`,
      );
      assert.match(stopped.hint!, /\(fuser \/\S+\/events\.db names it\), then .* it goes on/);
      assertConsistent(store, "other");
    }
    store.removeTopicSync("large");
    assert.equal(store.head("large").firstSeq, lastSeq + 1);
    assert.equal(
      store.appendSync([{ topic: "large", events: [newEvent({ payload: "2" })] }])[0]!.ok,
      true,
    );
    assertConsistent(store, "large");
    assertConsistent(store, "other");
  } finally {
    store.closeSync();
  }
});
