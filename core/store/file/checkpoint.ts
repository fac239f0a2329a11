/**
 * The `checkpoint` file of a store: where each topic ended at the last close, so that a start need
 * not look into every folder. Before the first write to a topic after that, the topic is struck
 * off, and the strike is synced whatever the durability. So whatever the file still says of a topic
 * is true. It is only a cache: topics that are not in it are looked up on disk, and all of them are
 * if the file is damaged.
 *
 * ```text
 * env-event-stream checkpoint 2 CRC BYTES
 * BYTES of columns with that checksum, then a line feed: names length, names, numbers
 * CRC topic                           a strike
 * ```
 *
 * The numbers are float64, little-endian like every processor that Deno runs on.
 */
import { CannotStoreError } from "../../base/errors.ts";
import { crc32 } from "../../base/checksum.ts";
import { type Disk, type DiskFile, readWhole, replaceFile, writeFully } from "./disk.ts";
import { asFileStoreError } from "./faults.ts";
import { CHECKPOINT_FILE } from "./layout.ts";
import { type PackedViews, topicNames, ViewTable } from "./view_table.ts";

const HEAD = /^env-event-stream checkpoint 2 ([0-9a-f]{8}) (\d{1,15})\n/;
/** Longer than any first line. */
const HEAD_BYTES = 80;
const LF = 0x0a;
/** Bytes of the field that holds the length of the names. */
const LENGTH_BYTES = 8;
const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** Where every topic ended at the last close. */
export class Checkpoint {
  readonly #disk: Disk;
  readonly #dir: string;
  /** Topics in the file that have not been written to since. */
  #topics: Set<string>;
  #end: number;
  #file: DiskFile | undefined;
  #unsynced = false;

  private constructor(disk: Disk, dir: string, { topics, end }: {
    topics: Iterable<string>;
    end: number;
  }) {
    this.#disk = disk;
    this.#dir = dir;
    this.#topics = new Set(topics);
    this.#end = end;
  }

  /**
   * Opens the folder's checkpoint and returns what it says; nothing if it is missing or damaged.
   */
  static open(disk: Disk, dir: string): { checkpoint: Checkpoint; views: ViewTable } {
    const bytes = readWhole(disk, `${dir}/${CHECKPOINT_FILE}`);
    const views = (bytes && decode(bytes)) ?? new ViewTable();
    const end = views.size > 0 ? bytes!.length : 0;
    return { checkpoint: new Checkpoint(disk, dir, { topics: views.names(), end }), views };
  }

  /** An empty one, for a store that looks at every topic. */
  static empty(disk: Disk, dir: string): Checkpoint {
    return new Checkpoint(disk, dir, { topics: [], end: 0 });
  }

  /** Strikes off a topic that is about to be written to. */
  strike(topic: string): void {
    if (!this.#topics.has(topic)) return;
    const line = encoder.encode(`${hex(encoder.encode(topic))} ${topic}\n`);
    this.#file ??= this.#disk.open(`${this.#dir}/${CHECKPOINT_FILE}`, "write");
    this.#unsynced = true;
    writeFully(this.#file, line, this.#end);
    this.#end += line.length;
    this.#topics.delete(topic);
  }

  /**
   * Strikes off topics that are about to be written to; resolves when the strikes are synced. A
   * rejection is fatal for the store.
   */
  async strikeOff(topics: readonly string[]): Promise<void> {
    for (const topic of topics) this.strike(topic);
    if (!this.#unsynced) return;
    try {
      await this.#file!.sync();
    } catch (error) {
      // Fatal even on a full disk: nobody knows what a failed sync has dropped (contract row 7).
      throw new Error("the checkpoint could not be synced", { cause: error });
    }
    this.#unsynced = false;
  }

  /** Returns when the strikes are synced. */
  syncNow(): void {
    if (!this.#unsynced) return;
    this.#file!.syncNow();
    this.#unsynced = false;
  }

  /**
   * Rewrites the file. Everything it says must be synced by then. On a full disk the old file
   * stays.
   */
  write(views: PackedViews): void {
    this.close();
    const bytes = encode(views);
    try {
      replaceFile(this.#disk, { folder: this.#dir, name: CHECKPOINT_FILE }, bytes);
    } catch (error) {
      // The old file says less, but nothing wrong.
      if (asFileStoreError(error) instanceof CannotStoreError) return;
      throw error;
    }
    this.#topics = new Set(topicNames(views));
    this.#end = bytes.length;
    this.#unsynced = false;
  }

  close(): void {
    this.#file?.close();
    this.#file = undefined;
  }
}

function encode({ names, numbers }: PackedViews): Uint8Array {
  const texts = encoder.encode(names);
  const body = new Uint8Array(LENGTH_BYTES + texts.length + numbers.byteLength);
  new DataView(body.buffer).setFloat64(0, texts.length, true);
  body.set(texts, LENGTH_BYTES);
  body.set(new Uint8Array(numbers.buffer), LENGTH_BYTES + texts.length);
  const head = encoder.encode(`env-event-stream checkpoint 2 ${hex(body)} ${body.length}\n`);
  const bytes = new Uint8Array(head.length + body.length + 1);
  bytes.set(head);
  bytes.set(body, head.length);
  bytes[bytes.length - 1] = LF;
  return bytes;
}

/** The topics that are not struck off; undefined if any byte is corrupt. */
function decode(bytes: Uint8Array): ViewTable | undefined {
  const [head, sum, length] = HEAD.exec(decoder.decode(bytes.subarray(0, HEAD_BYTES))) ?? [];
  if (head === undefined) return undefined;
  const end = head.length + Number(length);
  const body = bytes.subarray(head.length, end);
  if (bytes[end] !== LF || hex(body) !== sum) return undefined;
  const struck = strokes(bytes.subarray(end + 1));
  if (!struck) return undefined;
  const texts = new DataView(body.buffer, body.byteOffset).getFloat64(0, true);
  const views = new ViewTable({
    names: decoder.decode(body.subarray(LENGTH_BYTES, LENGTH_BYTES + texts)),
    // A copy, because a Float64Array must be aligned.
    numbers: new Float64Array(body.slice(LENGTH_BYTES + texts).buffer),
  });
  for (const topic of struck) views.delete(topic);
  return views;
}

/** The topics that were struck off; undefined if a line is corrupt. */
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

function hex(bytes: Uint8Array): string {
  return crc32(bytes).toString(16).padStart(8, "0");
}
