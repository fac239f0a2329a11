/**
 * The file `checkpoint` of a store: where every topic ends, as of the last close, so that a start need not look into every
 * folder. A topic is struck off, and the stroke synced whatever the durability, before it is written to for the first time
 * since: what the file still says of a topic is true. It is only a memory: whatever is not in it, or all of it when it is
 * damaged, is looked at on the disk.
 *
 * ```text
 * env-event-stream checkpoint 2 CRC BYTES
 * BYTES of columns with that checksum, then a line feed: how many bytes of names, the names, their numbers
 * CRC topic                           a stroke
 * ```
 *
 * The numbers are float64, little-endian as on every processor that Deno runs on.
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
/** Of the length of the names. */
const LENGTH_BYTES = 8;
const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** Where every topic ended at the last close. */
export class Checkpoint {
  readonly #disk: Disk;
  readonly #dir: string;
  /** Topics of which the file tells, and that nobody has written to since. */
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

  /** The folder's checkpoint and what it says; nothing where there is none, or a damaged one. */
  static open(disk: Disk, dir: string): { checkpoint: Checkpoint; views: ViewTable } {
    const bytes = readWhole(disk, `${dir}/${CHECKPOINT_FILE}`);
    const views = (bytes && decode(bytes)) ?? new ViewTable();
    const end = views.size > 0 ? bytes!.length : 0;
    return { checkpoint: new Checkpoint(disk, dir, { topics: views.names(), end }), views };
  }

  /** One that knows nothing: a store that looks at everything. */
  static empty(disk: Disk, dir: string): Checkpoint {
    return new Checkpoint(disk, dir, { topics: [], end: 0 });
  }

  /** The topic is about to be written to: strikes it off. */
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
   * Topics are about to be written to: resolves when the strokes are synced. What it rejects with
   * is the store's end.
   */
  async strikeOff(topics: readonly string[]): Promise<void> {
    for (const topic of topics) this.strike(topic);
    if (!this.#unsynced) return;
    try {
      await this.#file!.sync();
    } catch (error) {
      // Also where there was no room: what a sync that failed has dropped, nobody knows (contract
      // row 7).
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

  /**
   * Writes it anew. All that it says must be synced. Where there is no room the one that is there
   * stays as it is.
   */
  write(views: PackedViews): void {
    this.close();
    const bytes = encode(views);
    try {
      replaceFile(this.#disk, { folder: this.#dir, name: CHECKPOINT_FILE }, bytes);
    } catch (error) {
      // It says less, and nothing that is wrong.
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

/** The topics that are not struck off; undefined when any byte is not as it was written. */
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
    // A copy: numbers lie at multiples of their size.
    numbers: new Float64Array(body.slice(LENGTH_BYTES + texts).buffer),
  });
  for (const topic of struck) views.delete(topic);
  return views;
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

function hex(bytes: Uint8Array): string {
  return crc32(bytes).toString(16).padStart(8, "0");
}
