/**
 * The stores that are compared. Each has files that can be looked at by another store of its kind
 * after an ordered end, a kill, and a power cut.
 *
 * SQLite writes its own files, so a kill of it is a copy of them at that moment, without what SQLite
 * keeps in memory. What the operating system holds back from the disk is not simulated for it: with
 * `synchronous = FULL` nothing of an acknowledged commit is (tests/system/power_cut_test.ts cuts the
 * power of a real file system).
 */
import type { Clock } from "../../../core/base/clock.ts";
import { FileEventStore } from "../../../core/store/file/file_event_store.ts";
import { MemoryEventStore } from "../../../core/store/memory.ts";
import { SqliteEventStore } from "../../../core/store/sqlite/sqlite_event_store.ts";
import type { LocalStore } from "../../helpers/stores.ts";
import { FileWorkerEventStore } from "../../../core/store/worker/file_worker_store.ts";
import { WorkerEventStore } from "../../../core/store/worker/sqlite_worker_store.ts";
import { copyFolder } from "../../helpers/copy_folder.ts";
import { randomFrom } from "../../helpers/flip.ts";
import { MemoryDisk } from "../../helpers/memory_disk.ts";

/** How a process ends. */
export type End = "reopen" | "kill" | "power cut";

/** A store, and what happens to its files. */
export interface Subject {
  readonly name: string;
  readonly store: LocalStore;
  /** Ends what uses the files, and opens them again. */
  restart(end: End): Promise<void>;
  close(): Promise<void>;
}

/** A store that forgets nothing, because its process never ends. */
export function inMemory(clock: Clock): Subject {
  const store = new MemoryEventStore({ clock });
  return {
    name: "memory",
    store,
    restart: () => Promise.resolve(),
    close: () => store.close(),
  };
}

/** The file store on a disk in memory; small segments, so that a topic has several. */
export function inFiles(
  clock: Clock,
  { seed, lookAtMost }: { seed: number; lookAtMost: number },
): Subject {
  const random = randomFrom(seed);
  let disk = new MemoryDisk();
  const open = () =>
    new FileEventStore("/data/events", {
      disk,
      clock,
      lookAtMost,
      segments: { maxBytes: 6000 },
    });
  let store = open();
  return {
    name: "file",
    get store() {
      return store;
    },
    async restart(end) {
      if (end === "reopen") await store.close();
      else if (end === "kill") disk = disk.kill();
      else disk = disk.powerCut(() => random(1_000_000) / 1_000_000);
      store = open();
    },
    close: () => store.close(),
  };
}

/**
 * A store whose files lie in a folder. A kill leaves the old one as it is: the next one opens a
 * copy.
 */
async function inFolder(
  name: string,
  folder: string,
  open: (dir: string) => LocalStore | Promise<LocalStore>,
): Promise<Subject> {
  let life = 0;
  let dir = `${folder}/${name}-0`;
  await Deno.mkdir(dir, { mode: 0o700 });
  let store = await open(dir);
  return {
    name,
    get store() {
      return store;
    },
    async restart(end) {
      if (end === "reopen") {
        await store.close();
        store = await open(dir);
        return;
      }
      const [old, left] = [store, dir];
      dir = `${folder}/${name}-${++life}`;
      await copyFolder(left, dir);
      store = await open(dir);
      // Only now, because it changes the files.
      await old.close();
      await Deno.remove(left, { recursive: true });
    },
    close: () => store.close(),
  };
}

/** SQLite as a library has it, in this thread. */
export function inSqlite(clock: Clock, folder: string): Promise<Subject> {
  return inFolder(
    "sqlite",
    folder,
    // Copies are of what was written: a sync would only cost time.
    (dir) => new SqliteEventStore(`${dir}/events.db`, { clock, durability: "os" }),
  );
}

const script = (name: string) => new URL(`../../../daemon/${name}.ts`, import.meta.url);

/** The stores as a daemon has them, with their writer in a thread; their time is the real one. */
export function inThreads(folder: string): Promise<Subject>[] {
  return [
    inFolder("sqlite in a thread", folder, (dir) =>
      WorkerEventStore.open(`${dir}/events.db`, {
        script: script("journal_worker"),
        durability: "os",
      })),
    inFolder("files in a thread", folder, (dir) =>
      FileWorkerEventStore.open(`${dir}/events`, {
        script: script("file_worker"),
        durability: "os",
      })),
  ];
}
