/**
 * The `%batch` file of a store: the lines of an append that has to reach several topics or none.
 * It is written and synced before the topics are, so from then on the append is complete: a start
 * adds what a crash kept from the topics. Once the topics are synced, the file is emptied.
 *
 * ```text
 * env-event-stream batch 1 CRC BYTES
 * BYTES with that checksum: for each run of lines, those of a topic one after another
 *   {"topic":"users","firstSeq":7,"count":2,"given":false}
 *   the wire lines
 * ```
 */
import { concat } from "../../base/bytes.ts";
import { takenAway } from "../../base/named_files.ts";
import { crc32 } from "../../base/checksum.ts";
import type { NewEvent } from "../../event/event.ts";
import { type Disk, type DiskFile, readWhole, writeFully } from "./disk.ts";
import { BATCH_FILE } from "./layout.ts";
import { eachLine, eventOfSlot } from "./lines.ts";
import type { Run } from "./run.ts";

/** The events of one topic in a record. */
export interface BatchSection {
  topic: string;
  firstSeq: number;
  events: NewEvent[];
}

/** What precedes a run of lines. */
interface RunHead {
  topic: string;
  firstSeq: number;
  count: number;
  /** As in a {@link Run}. */
  given: boolean;
}

const HEAD = /^env-event-stream batch 1 ([0-9a-f]{8}) (\d{1,15})\n/;
/** Longer than any first line. */
const HEAD_BYTES = 80;
const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** Writes the record of the append that is under way. */
export class BatchRecord {
  readonly #disk: Disk;
  readonly #dir: string;
  #file: DiskFile | undefined;
  /** True unless an append is recorded. */
  isEmpty: boolean;

  constructor(disk: Disk, dir: string) {
    this.#disk = disk;
    this.#dir = dir;
    this.isEmpty = (disk.size(`${dir}/${BATCH_FILE}`) ?? 0) === 0;
  }

  /** Resolves when the lines are recorded durably. */
  async write(topics: readonly { topic: string; runs: readonly Run[] }[]): Promise<void> {
    const body = concat(
      topics.flatMap(({ topic, runs }) =>
        runs.flatMap(({ firstSeq, count, given, bytes }) => {
          const head: RunHead = { topic, firstSeq, count, given };
          return [encoder.encode(`${JSON.stringify(head)}\n`), bytes];
        })
      ),
    );
    const head = encoder.encode(`env-event-stream batch 1 ${hex(body)} ${body.length}\n`);
    if (this.isEmpty && this.#file?.hasName() === false) this.close(); // nothing was in it
    const file = this.#file ??= this.#open();
    this.isEmpty = false;
    writeFully(file, concat([head, body]), 0);
    try {
      await file.sync();
    } catch (error) {
      // Fatal even on a full disk: nobody knows what a failed sync has dropped (contract row 7).
      throw new Error("the record of a batch could not be synced", { cause: error });
    }
    if (!file.hasName()) throw takenAway(`${this.#dir}/${BATCH_FILE}`);
  }

  #open(): DiskFile {
    const path = `${this.#dir}/${BATCH_FILE}`;
    if (this.#disk.size(path) !== undefined) return this.#disk.open(path, "write");
    const file = this.#disk.open(path, "create");
    this.#disk.syncFolder(this.#dir);
    return file;
  }

  /** The topics are synced. If a crash keeps the record, a start finds nothing to add. */
  clear(): void {
    if (this.isEmpty) return;
    this.#file ??= this.#open();
    this.#file.truncate(0);
    this.isEmpty = true;
  }

  /** The same, durably: an append that failed must not happen after all at the next start. */
  discard(): void {
    if (this.isEmpty) return;
    this.clear();
    this.#file!.syncNow();
  }

  /**
   * The same, even if it is empty already: nobody has synced that, and a power cut would bring back
   * the lines that were in it.
   */
  scrub(): void {
    if (this.#file?.hasName() === false) this.close();
    if (this.#disk.size(`${this.#dir}/${BATCH_FILE}`) === undefined) return;
    const file = this.#file ??= this.#open();
    file.truncate(0);
    this.isEmpty = true;
    file.syncNow();
  }

  close(): void {
    this.#file?.close();
    this.#file = undefined;
  }
}

/** Reads the record in the folder; empty if there is none or it was not written completely. */
export function readBatchRecord(disk: Disk, dir: string): BatchSection[] {
  const bytes = readWhole(disk, `${dir}/${BATCH_FILE}`) ?? new Uint8Array(0);
  const [head, sum, length] = HEAD.exec(decoder.decode(bytes.subarray(0, HEAD_BYTES))) ?? [];
  if (head === undefined) return [];
  const body = bytes.subarray(head.length, head.length + Number(length));
  return body.length === Number(length) && hex(body) === sum ? sectionsOf(body) : [];
}

function sectionsOf(body: Uint8Array): BatchSection[] {
  const sections: BatchSection[] = [];
  let left = 0;
  let given = false;
  eachLine(body, (start, end) => {
    const line = body.subarray(start, end);
    if (left === 0) {
      const { topic, firstSeq, ...head } = JSON.parse(decoder.decode(line)) as RunHead;
      if (sections.at(-1)?.topic !== topic) sections.push({ topic, firstSeq, events: [] });
      left = head.count;
      given = head.given;
      return;
    }
    const { seq: _seq, topic: _topic, line: _line, ...event } = eventOfSlot(line);
    sections.at(-1)!.events.push({ ...event, idGiven: given });
    left--;
  });
  return sections;
}

function hex(bytes: Uint8Array): string {
  return crc32(bytes).toString(16).padStart(8, "0");
}
