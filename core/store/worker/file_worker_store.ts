/**
 * A file event store whose writes run in a worker, while reads go to the files from this thread: a
 * slow sync stalls no read and no other connection. What the reads need to know about a topic comes
 * back with every write.
 */
import { systemClock } from "../../base/clock.ts";
import { WorkerClient } from "../../worker/client.ts";
import type { Damage, Found } from "../damage.ts";
import { Accepted } from "../file/accepted.ts";
import { systemDisk } from "../file/disk.ts";
import { DamageLog } from "../file/damage_log.ts";
import { FileReader } from "../file/reader.ts";
import { SegmentCache } from "../file/segment_cache.ts";
import { indexOfSeq, type ToldChange, viewOfTold } from "../file/view.ts";
import { type PackedViews, ViewTable } from "../file/view_table.ts";
import type { Durability } from "../../event/durability.ts";
import type { JournalStore, RedactRequest } from "../store.ts";
import { WorkerStore, type WriterCall } from "./worker_store.ts";

/** A request to the worker. */
export type FileStoreCall =
  | { op: "open"; dir: string; durability: Durability; dedupWindow?: number }
  | WriterCall;

/** The worker's answer: the result, and the new state of the topics that it touched. */
export interface FileStoreAnswer {
  result: unknown;
  changes: ToldChange[];
  /** All topics; in the answer to `open`. */
  views?: PackedViews;
  /** Repairs in topics that are opened for the first time. */
  notes?: string[];
  /** Events that were found to be damaged or missing. */
  lost?: Found[];
}

/** What the worker found when it opened the folder. */
export interface FoundInFolder {
  /** Messages about repairs and damage. */
  notes: string[];
  /** Paths that are not ours. */
  foreign: string[];
}

/** A file store whose writer runs in a worker thread. */
export class FileWorkerEventStore extends WorkerStore<FileStoreAnswer> implements JournalStore {
  readonly kind = "file";
  readonly found: FoundInFolder;
  readonly #views: ViewTable;
  readonly #cache: SegmentCache;
  readonly #reader: FileReader;
  readonly #damage: DamageLog;
  readonly #onNote: ((note: string) => void) | undefined;

  private constructor(
    worker: WorkerClient,
    options: {
      dir: string;
      durability: Durability;
      onDamage?: (damage: Found) => void;
      onNote?: (note: string) => void;
    },
    answer: FileStoreAnswer,
  ) {
    super(worker, options.durability);
    this.found = answer.result as FoundInFolder;
    this.#views = new ViewTable(answer.views);
    this.#onNote = options.onNote;
    this.#damage = new DamageLog(
      systemClock,
      new Accepted(systemDisk, options.dir),
      options.onDamage,
    );
    for (const found of answer.lost ?? []) this.#damage.tell(found);
    this.#cache = new SegmentCache(systemDisk, options.dir);
    this.#reader = new FileReader(this.#cache, {
      topics: this.#views,
      damage: this.#damage,
    });
  }

  /** Starts the worker at `script` (daemon/file_worker.ts) on the folder `dir`. */
  static async open(
    dir: string,
    options: {
      script: URL;
      /** A worker that was already started. */
      worker?: WorkerClient | undefined;
      durability?: Durability;
      dedupWindow?: number;
      /** Called for events that a read had to leave out, once per block. */
      onDamage?: (damage: Found) => void;
      /** Called with a message for each repair after the start. */
      onNote?: (note: string) => void;
    },
  ): Promise<FileWorkerEventStore> {
    const { script, durability = "always", dedupWindow } = options;
    const worker = options.worker ?? new WorkerClient(script);
    try {
      const answer = await worker.call<FileStoreAnswer>(
        { op: "open", dir, durability, dedupWindow } satisfies FileStoreCall,
      );
      return new FileWorkerEventStore(worker, { ...options, dir, durability }, answer);
    } catch (error) {
      worker.terminate();
      throw error;
    }
  }

  damage(): readonly Damage[] {
    return this.#damage.list();
  }

  acceptDamage(): void {
    this.#damage.accept();
  }

  protected override readerOf(): FileReader {
    return this.#reader;
  }

  /** Until the worker has answered, reads here find the segment as it was. */
  override async redact(topic: string, request: RedactRequest): Promise<boolean> {
    const segments = this.#views.get(topic)?.segments ?? [];
    const segment = segments[indexOfSeq(segments, request.seq)];
    if (!segment) return false;
    this.#cache.pin(topic, segment);
    try {
      return await super.redact(topic, request);
    } finally {
      this.#cache.unpin(topic, segment.firstSeq);
    }
  }

  override async close(): Promise<void> {
    this.#cache.close();
    await super.close();
  }

  protected override learn({ changes, notes = [], lost = [] }: FileStoreAnswer): void {
    for (const note of notes) this.#onNote?.(note);
    for (const found of lost) this.#damage.tell(found);
    for (const change of changes) {
      const { same, blocks, replaced } = change;
      const { name, segments } = change.view;
      if (replaced !== undefined) this.#cache.forget(name, replaced);
      const before = this.#views.get(name);
      const kept = new Set(segments.map(({ firstSeq }) => firstSeq));
      for (const { firstSeq } of before?.segments.slice(same) ?? []) {
        if (!kept.has(firstSeq)) this.#cache.forget(name, firstSeq);
      }
      const view = viewOfTold(change, before);
      this.#views.set(view);
      const open = view.segments.at(-1);
      if (open) this.#cache.learn(name, open.firstSeq, blocks);
    }
  }
}
