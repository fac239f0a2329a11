/**
 * The data dir as a whole: a start compares what is there with what was there, and reports what is
 * gone. While the daemon runs, what it knows is recorded beside the databases
 * (core/data_dir/watermarks.ts).
 */
import { systemClock } from "../core/base/clock.ts";
import type { EventBroker } from "../core/broker/event_broker.ts";
import { keepsNumbers } from "../core/broker/known_ends.ts";
import {
  DATABASES,
  type MissingFile,
  missingFiles,
  olderState,
} from "../core/data_dir/missing_files.ts";
import {
  readWatermarks,
  WatermarkKeeper,
  type Watermarks,
  writeWatermarks,
} from "../core/data_dir/watermarks.ts";
import type { WorkerState } from "../core/state/worker_state.ts";
import { moveAside, noteLoss } from "../core/store/quarantine.ts";
import { type DataDir, makeDatabaseFile, prepareFiles } from "./data_dir.ts";
import { lstat } from "../core/base/if_there.ts";

/** What was found before anything was opened, because opening creates files. */
export interface FoundDataDir {
  marks: Watermarks | undefined;
  missing: MissingFile[];
}

/** How many topics one message names. */
const TOPICS_NAMED = 5;

/**
 * Checks and prepares a locked data dir, and returns what was there. A log whose database is gone
 * is kept: SQLite would delete it.
 */
export function findDataDir(dataDir: DataDir): FoundDataDir {
  prepareFiles(dataDir);
  const { path } = dataDir;
  const marks = readWatermarks(path);
  const missing = missingFiles(marks, (name) => lstat(`${path}/${name}`)?.mtime?.getTime());
  for (const { file } of missing) {
    if (!DATABASES.includes(file) || !lstat(`${path}/${file}-wal`)) continue;
    const what = `its database ${file} was gone; it is kept, and not used`;
    moveAside([`${path}/${file}-wal`], { what, now: systemClock.now() });
  }
  makeDatabaseFile(dataDir.state);
  return { marks, missing };
}

/**
 * A start failed. Where a database could not be opened it was closed again, and SQLite has put its
 * log into it and removed it. No later start must miss that log: which of two files was written
 * later is not to be told from their times once the wall clock has been set back.
 */
export function startFailed({ path }: DataDir, { marks, missing }: FoundDataDir): void {
  // What this start has missed is still to be told.
  if (marks?.phase !== "open" || missing.length > 0) return;
  writeWatermarks(path, { ...marks, phase: "closing" });
}

/** Records what is gone, and starts to record what there is. Call it when the broker is ready. */
export async function keepWhole(
  found: FoundDataDir,
  { dataDir, broker, state, onError }: {
    dataDir: DataDir;
    broker: EventBroker;
    state: WorkerState;
    onError: (error: unknown) => void;
  },
): Promise<WholeDataDir> {
  const { marks, missing } = found;
  const older = missing.some(({ file }) => file === "state.db")
    ? undefined
    : olderState(marks, state.generation);
  for (const loss of [...missing, ...older ? [older] : [], ...lostTopics(broker)]) {
    noteLoss(`${dataDir.path}/quarantine`, { ...loss, now: systemClock.now() });
  }
  // Before the state counts its first start: after that it has watermarks beside it, whenever the
  // daemon is killed.
  if (!marks && state.generation === 0) {
    writeWatermarks(dataDir.path, { phase: "open", generation: 0, files: [], ends: new Map() });
  }
  await state.commit([{ op: "generation.next" }]);
  const keeper = new WatermarkKeeper(dataDir.path, {
    clock: systemClock,
    generation: state.generation + 1,
    ends: [...marks?.ends ?? [], ...endsOf(broker, (topic) => broker.isDurable(topic))],
    files: () => [...DATABASES, "events"].filter((name) => lstat(`${dataDir.path}/${name}`)),
    onError,
  });
  broker.onCommit(({ topic, lastSeq, ephemeral }) => {
    if (!ephemeral && broker.isDurable(topic)) keeper.note(topic, lastSeq);
  });
  return new WholeDataDir(dataDir.path, broker, keeper);
}

/** What a daemon keeps of its data dir while it runs. */
export class WholeDataDir {
  readonly #path: string;
  readonly #broker: EventBroker;
  readonly #keeper: WatermarkKeeper;

  /** `keeper` maintains the watermarks of the data dir at `path`. */
  constructor(path: string, broker: EventBroker, keeper: WatermarkKeeper) {
    this.#path = path;
    this.#broker = broker;
    this.#keeper = keeper;
  }

  /** Descriptions of files that the daemon has open and that no longer have a name. */
  takenAway(): string[] {
    if (!lstat(this.#path)) return [`the data dir ${this.#path} was taken away`];
    const files = this.#keeper.files.flatMap((name) =>
      DATABASES.includes(name) ? [name, `${name}-wal`] : [name]
    );
    return files.filter((name) => !lstat(`${this.#path}/${name}`)).map((name) =>
      `${name} was taken away below the running daemon`
    );
  }

  /** Closes the broker, and then records that everything is closed. */
  async close(): Promise<void> {
    const there = lstat(this.#path) !== undefined;
    const ends = endsOf(this.#broker, () => true);
    if (there) this.#keeper.closing();
    await this.#broker.close();
    if (there) this.#keeper.closed(ends, { counted: this.#broker.ends.written });
  }
}

function endsOf(
  { store }: EventBroker,
  which: (topic: string) => boolean,
): [topic: string, lastSeq: number][] {
  return store.topics()
    .filter((topic) => keepsNumbers(store, topic) && which(topic))
    .map((topic) => [topic, store.head(topic).lastSeq]);
}

/**
 * Topics of which nothing is left, by the file that they were in. Topics that are only partly
 * missing are reported by their store.
 */
function lostTopics({ ends, store, topics }: EventBroker): MissingFile[] {
  const byFile = new Map<string, string[]>();
  for (const { topic, firstSeq, lastSeq } of ends.lost) {
    const head = store.head(topic);
    if (head.firstSeq <= lastSeq) continue;
    const kind = topics.get(topic)?.options.store;
    const file = (kind ?? store.kind) === "file" ? "events" : "events.db";
    const named = byFile.get(file) ?? [];
    byFile.set(file, named);
    named.push(`${firstSeq} to ${lastSeq} of ${topic}`);
  }
  return Array.from(byFile, ([file, named]) => {
    const more = named.length - TOPICS_NAMED;
    const list = [
      ...named.slice(0, TOPICS_NAMED),
      ...(more > 0 ? [`those of ${more} more topics`] : []),
    ].join(", ");
    return { file, what: `events ${list} are gone; new ones get numbers behind them` };
  });
}
