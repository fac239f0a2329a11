/**
 * The file `checkpoint` of a store: where every topic ends, as of the last close, so that a start need not look into every
 * folder. A topic is struck off, and the stroke synced whatever the durability, before it is written to for the first time
 * since: what the file still says of a topic is true. It is only a memory: whatever is not in it, or all of it when it is
 * damaged, is looked at on the disk.
 *
 * ```text
 * env-event-stream checkpoint 1 CRC BYTES
 * [[topic, firstSeq, …], …]           so many bytes of JSON with that checksum
 * CRC topic                           a stroke
 * ```
 */
import { CannotStoreError } from "../../errors.ts";
import { crc32 } from "../checksum.ts";
import { type Disk, type DiskFile, readWhole, replaceFile, writeFully } from "./disk.ts";
import { asStoreError } from "./faults.ts";
import { CHECKPOINT_FILE } from "./layout.ts";
import type { SegmentInfo, TopicView } from "./view.ts";

const HEAD = /^env-event-stream checkpoint 1 ([0-9a-f]{8}) (\d{1,15})\n/;
/** Longer than any first line. */
const HEAD_BYTES = 80;
const LF = 0x0a;
const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** See the head of this file. */
export class Checkpoint {
  readonly #disk: Disk;
  readonly #dir: string;
  /** What the file says of topics that nobody has written to since. */
  #views: Map<string, TopicView>;
  #end: number;
  #file: DiskFile | undefined;
  #unsynced = false;

  private constructor(disk: Disk, dir: string, read: { views: TopicView[]; end: number }) {
    this.#disk = disk;
    this.#dir = dir;
    this.#views = new Map(read.views.map((view) => [view.name, view]));
    this.#end = read.end;
  }

  /** What the folder's checkpoint says; nothing where there is none, or a damaged one. */
  static open(disk: Disk, dir: string): Checkpoint {
    const bytes = readWhole(disk, `${dir}/${CHECKPOINT_FILE}`);
    return new Checkpoint(disk, dir, (bytes && decode(bytes)) ?? { views: [], end: 0 });
  }

  /** One that knows nothing: a store that looks at everything. */
  static empty(disk: Disk, dir: string): Checkpoint {
    return new Checkpoint(disk, dir, { views: [], end: 0 });
  }

  /** The topic, if nothing was written to it since. */
  view(topic: string): TopicView | undefined {
    return this.#views.get(topic);
  }

  /** The topic is about to be written to: strikes it off. */
  strike(topic: string): void {
    if (!this.#views.has(topic)) return;
    const line = encoder.encode(`${hex(encoder.encode(topic))} ${topic}\n`);
    this.#file ??= this.#disk.open(`${this.#dir}/${CHECKPOINT_FILE}`, "write");
    this.#unsynced = true;
    writeFully(this.#file, line, this.#end);
    this.#end += line.length;
    this.#views.delete(topic);
  }

  /** Topics are about to be written to: resolves when the strokes are synced. What it rejects with is the store's end. */
  async strikeOff(topics: readonly string[]): Promise<void> {
    for (const topic of topics) this.strike(topic);
    if (!this.#unsynced) return;
    try {
      await this.#file!.sync();
    } catch (error) {
      // Also where there was no room: what a sync that failed has dropped, nobody knows (contract row 7).
      throw new Error("the checkpoint could not be synced", { cause: error });
    }
    this.#unsynced = false;
  }

  /** Returns when the strokes are synced. */
  syncNow(): void {
    if (!this.#unsynced) return;
    this.#file!.syncNow();
    this.#unsynced = false;
  }

  /** Writes it anew. All that it says must be synced. Where there is no room the one that is there stays as it is. */
  write(views: readonly TopicView[]): void {
    this.close();
    const bytes = encode(views);
    try {
      replaceFile(this.#disk, { folder: this.#dir, name: CHECKPOINT_FILE }, bytes);
    } catch (error) {
      // It says less, and nothing that is wrong.
      if (asStoreError(error) instanceof CannotStoreError) return;
      throw error;
    }
    this.#views = new Map(views.map((view) => [view.name, view]));
    this.#end = bytes.length;
    this.#unsynced = false;
  }

  close(): void {
    this.#file?.close();
    this.#file = undefined;
  }
}

function encode(views: readonly TopicView[]): Uint8Array {
  const rows = views.map(({ name, firstSeq, lastSeq, bytes, segments }) => [
    name,
    firstSeq,
    lastSeq,
    bytes,
    ...segments.flatMap((segment) => [
      segment.firstSeq,
      segment.lastSeq,
      segment.end,
      segment.size,
      // JSON knows no infinity: it becomes null.
      segment.maxTimestamp,
      segment.minIdTime,
      segment.maxIdTime,
      segment.storedAt,
      Number(segment.sealed),
    ]),
  ]);
  const body = encoder.encode(JSON.stringify(rows));
  const head = encoder.encode(`env-event-stream checkpoint 1 ${hex(body)} ${body.length}\n`);
  const bytes = new Uint8Array(head.length + body.length + 1);
  bytes.set(head);
  bytes.set(body, head.length);
  bytes[bytes.length - 1] = LF;
  return bytes;
}

/** Numbers of a segment in a row, behind those of its topic. */
const WIDTH = 9;
type Row = [name: string, ...numbers: (number | null)[]];

/** The topics that are not struck off; undefined when any byte is not as it was written. */
function decode(bytes: Uint8Array): { views: TopicView[]; end: number } | undefined {
  const [head, sum, length] = HEAD.exec(decoder.decode(bytes.subarray(0, HEAD_BYTES))) ?? [];
  if (head === undefined) return undefined;
  const end = head.length + Number(length);
  const body = bytes.subarray(head.length, end);
  if (bytes[end] !== LF || hex(body) !== sum) return undefined;
  const struck = strokes(bytes.subarray(end + 1));
  if (!struck) return undefined;
  const rows = JSON.parse(decoder.decode(body)) as Row[];
  return { views: rows.filter(([name]) => !struck.has(name)).map(viewOf), end: bytes.length };
}

/** The topics that were struck off; undefined when one cannot be told. */
function strokes(bytes: Uint8Array): Set<string> | undefined {
  const topics = new Set<string>();
  const lines = decoder.decode(bytes).split("\n");
  if (lines.pop() !== "") return undefined;
  for (const line of lines) {
    const topic = line.slice(9);
    if (line.slice(0, 9) !== `${hex(encoder.encode(topic))} `) return undefined;
    topics.add(topic);
  }
  return topics;
}

function viewOf([name, ...numbers]: Row): TopicView {
  const segments: SegmentInfo[] = [];
  for (let at = 3; at < numbers.length; at += WIDTH) {
    segments.push({
      firstSeq: numbers[at]!,
      lastSeq: numbers[at + 1]!,
      end: numbers[at + 2]!,
      size: numbers[at + 3]!,
      maxTimestamp: numbers[at + 4] ?? -Infinity,
      minIdTime: numbers[at + 5] ?? Infinity,
      maxIdTime: numbers[at + 6] ?? -Infinity,
      storedAt: numbers[at + 7]!,
      sealed: numbers[at + 8] === 1,
    });
  }
  return { name, firstSeq: numbers[0]!, lastSeq: numbers[1]!, bytes: numbers[2]!, segments };
}

function hex(bytes: Uint8Array): string {
  return crc32(bytes).toString(16).padStart(8, "0");
}
