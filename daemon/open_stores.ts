/**
 * Opens the event stores of a daemon: the default one, those that have files, and others when a
 * topic needs them.
 */
import { damageText, type Found } from "../core/store/damage.ts";
import { FileWorkerEventStore } from "../core/store/worker/file_worker_store.ts";
import { MemoryEventStore } from "../core/store/memory.ts";
import type { StoreKind } from "../core/event/topic_options.ts";
import type { StoreShelf } from "../core/store/routed_store.ts";
import type { JournalStore } from "../core/store/store.ts";
import { WorkerEventStore } from "../core/store/worker/sqlite_worker_store.ts";
import type { Config } from "./config.ts";
import { type DataDir, makeDatabaseFile } from "./data_dir.ts";
import { lstat } from "../core/base/if_there.ts";
import type { Log } from "./log.ts";
import type { SpaceReserve } from "./space_reserve.ts";
import { SCRIPTS, type Threads } from "./threads.ts";
import type { FoundDataDir } from "./whole.ts";

/** The options for opening the stores: none of them is a database. */
export interface OpenStoresOptions {
  dataDir: DataDir;
  config: Config;
  log: Log;
  threads: Threads;
  /** What was there before anything was opened. */
  found: FoundDataDir;
  /** Space kept for a full disk; absent: none is. */
  reserve?: SpaceReserve | undefined;
}

/** The kinds of store to open: the default one and every other that may have events. */
export function storeKinds(
  dataDir: Pick<DataDir, "events" | "eventFolder">,
  config: { store: StoreKind },
  known: readonly string[] = [],
): Set<StoreKind> {
  const kinds = new Set<StoreKind>([config.store]);
  // A store that existed and is gone still has numbers that must not be reused.
  if (lstat(dataDir.events) || known.includes("events.db")) kinds.add("sqlite");
  if (lstat(dataDir.eventFolder) || known.includes("events")) kinds.add("file");
  return kinds;
}

/** Opens the default store (`opened[0]`) and every other that may have events. */
export async function openStores(options: OpenStoresOptions): Promise<StoreShelf> {
  const { dataDir, config } = options;
  const store = config.store as StoreKind; // whoever has a database opens no other store
  const open = (kind: StoreKind) => openStore(kind, options);
  const opened = await Promise.all(
    [...storeKinds(dataDir, { store }, options.found.marks?.files)].map(open),
  );
  return { durability: config.durability, opened, open };
}

async function openStore(kind: StoreKind, options: OpenStoresOptions): Promise<JournalStore> {
  switch (kind) {
    case "memory":
      return new MemoryEventStore({ dedupWindow: options.config.dedupWindow });
    case "file":
      return await openFiles(options);
    case "sqlite":
      makeDatabaseFile(options.dataDir.events);
      return await WorkerEventStore.open(options.dataDir.events, {
        script: SCRIPTS.sqlite,
        worker: await options.threads.take(SCRIPTS.sqlite),
        durability: options.config.durability,
        dedupWindow: options.config.dedupWindow,
        reserve: options.reserve?.path,
        onDamage: onDamage(options.log),
      });
  }
}

async function openFiles(
  { dataDir, config, log, threads }: OpenStoresOptions,
): Promise<JournalStore> {
  const onNote = (note: string) => log.logger.warning("recovery: {note}", { note });
  const store = await FileWorkerEventStore.open(dataDir.eventFolder, {
    script: SCRIPTS.file,
    worker: await threads.take(SCRIPTS.file),
    durability: config.durability,
    dedupWindow: config.dedupWindow,
    onDamage: onDamage(log),
    onNote,
  });
  store.found.notes.forEach(onNote);
  for (const path of store.found.foreign) {
    log.logger.warning("not ours, left alone: {path}", { path: `${dataDir.eventFolder}/${path}` });
  }
  return store;
}

function onDamage(log: Log): (damage: Found) => void {
  return (damage) => log.logger.error("damage: {text}", { text: damageText(damage), ...damage });
}
