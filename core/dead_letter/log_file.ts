/**
 * The file of a dead-letter queue. A line is appended and synced before the call resolves, one call
 * at a time. Opening the file cuts off a torn tail (which was never acknowledged), moves damaged
 * lines to a separate file instead of deleting them, and locks the folder against a second queue. A
 * failed sync is final: nothing is trusted after it.
 */
import { CannotStoreError, DataDirError, InternalError } from "../base/errors.ts";
import { concat } from "../base/bytes.ts";
import { fromLogLine, LOG_FORMAT, type LogRecord, splitLogLines, toLogLine } from "./log_line.ts";

/** The position of a line. */
export interface LinePosition {
  offset: number;
  length: number;
}

/** What opening the file found. */
export interface OpenReport {
  /** Bytes of a last line that was never acknowledged, now cut off. */
  tornBytes: number;
  /** Corrupt lines, now in `damaged`. */
  damagedLines: number;
  damaged: string;
}

const NAME = "dead_letters.ndjson";
const DAMAGED = "damaged.ndjson";
const FRESH = "dead_letters.new";

/** The append-only file of a dead-letter queue. */
export class LogFile {
  readonly #dir: string;
  readonly #lock: Deno.FsFile;
  #file: Deno.FsFile;
  #end: number;
  #failed: unknown;

  private constructor(dir: string, lock: Deno.FsFile, file: Deno.FsFile, end: number) {
    this.#dir = dir;
    this.#lock = lock;
    this.#file = file;
    this.#end = end;
  }

  /**
   * Opens or creates the file in `dir`, and calls `each` with every intact line. Throws
   * `DataDirError`.
   */
  static async open(
    dir: string,
    each: (record: LogRecord, place: LinePosition) => void,
  ): Promise<{ log: LogFile; report: OpenReport }> {
    await makeFolder(dir);
    const lock = lockFolder(dir);
    try {
      const path = `${dir}/${NAME}`;
      await refuseForeign(path);
      const bytes = await readAll(path);
      const { lines, tail } = splitLogLines(bytes);
      const damaged = lines.filter(({ start, end }) => !fromLogLine(bytes.subarray(start, end)));
      const report = {
        tornBytes: bytes.length - tail,
        damagedLines: damaged.length,
        damaged: `${dir}/${DAMAGED}`,
      };
      const sound = lines.filter((line) => !damaged.includes(line));
      refuseNewer(path, bytes, sound);
      if (damaged.length > 0) {
        const kept = concatLines(bytes, damaged);
        await appendSynced(report.damaged, kept);
      }
      const isAsWritten = damaged.length === 0 && report.tornBytes === 0 && sound.length > 0;
      const content = isAsWritten ? bytes : withFormat(bytes, sound);
      if (!isAsWritten) await replace(dir, content);
      for (const { start, end } of splitLogLines(content).lines) {
        const record = fromLogLine(content.subarray(start, end))!;
        each(record, { offset: start, length: end - start });
      }
      const file = await Deno.open(path, { read: true, write: true });
      return { log: new LogFile(dir, lock, file, content.length), report };
    } catch (error) {
      lock.close();
      throw error;
    }
  }

  /** Current size in bytes. */
  get size(): number {
    return this.#end;
  }

  /** Appends a line; resolves with its position when it is synced. */
  async append(record: LogRecord): Promise<LinePosition> {
    if (this.#failed !== undefined) throw this.#failed;
    const offset = this.#end;
    const line = toLogLine(record);
    try {
      this.#file.seekSync(offset, Deno.SeekMode.Start);
      for (let at = 0; at < line.length;) at += this.#file.writeSync(line.subarray(at));
    } catch (error) {
      throw this.#takeBack(error, offset);
    }
    try {
      await this.#file.syncData();
    } catch (cause) {
      // What is on the disk is unknown: a second sync that succeeds would prove nothing.
      this.#failed = new InternalError(`the dead-letter file could not be synced: ${text(cause)}`, {
        cause,
        hint: "look at the disk, then open the queue again: what was acknowledged is there",
      });
      throw this.#failed;
    }
    this.#end = offset + line.length;
    return { offset, length: line.length - 1 };
  }

  /** Reads a line. Throws `DataDirError` if it is corrupt. */
  read({ offset, length }: LinePosition): LogRecord {
    const line = new Uint8Array(length);
    this.#file.seekSync(offset, Deno.SeekMode.Start);
    for (let at = 0; at < length;) {
      const n = this.#file.readSync(line.subarray(at));
      if (n === null) break;
      at += n;
    }
    const record = fromLogLine(line);
    if (record) return record;
    throw new DataDirError("datadir/damaged", `${this.#dir}/${NAME} is damaged at byte ${offset}`, {
      hint:
        `close the queue and open it again: the line is then put into ${DAMAGED}, the rest is served`,
      details: { offset, length },
    });
  }

  /** Removes a half-written line, so that writing can continue once there is space. */
  #takeBack(error: unknown, end: number): unknown {
    try {
      this.#file.truncateSync(end);
    } catch (cause) {
      return this.#failed = new InternalError(
        `the dead-letter file cannot be written: ${text(cause)}`,
        { cause },
      );
    }
    return new CannotStoreError(`the dead letter could not be written: ${text(error)}`, {
      cause: error,
      hint: "make room; what was acknowledged is safe, and writing works again by itself",
    });
  }

  /**
   * Rewrites the file with these lines and returns their new positions; the old ones become
   * invalid.
   */
  async rewrite(places: readonly LinePosition[]): Promise<LinePosition[]> {
    const head = toLogLine({ op: "format", format: LOG_FORMAT });
    const lines = places.map((place) => toLogLine(this.read(place)));
    const content = concat([head, ...lines]);
    await replace(this.#dir, content);
    this.#file.close();
    this.#file = await Deno.open(`${this.#dir}/${NAME}`, { read: true, write: true });
    this.#end = content.length;
    let offset = head.length;
    return lines.map((line) => {
      const place = { offset, length: line.length - 1 };
      offset += line.length;
      return place;
    });
  }

  /** Releases the folder for another queue. */
  close(): void {
    this.#file.close();
    this.#lock.close();
  }
}

async function makeFolder(dir: string): Promise<void> {
  await Deno.mkdir(dir, { recursive: true, mode: 0o700 });
}

function lockFolder(dir: string): Deno.FsFile {
  const folder = Deno.openSync(dir, { read: true });
  if (folder.tryLockSync(true)) return folder;
  folder.close();
  throw new DataDirError("datadir/locked", `another dead-letter queue has ${dir} open`, {
    hint: "close it, or retry through the broker that holds it",
  });
}

async function refuseForeign(path: string): Promise<void> {
  const info = await Deno.lstat(path).catch((error) => {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  });
  if (!info || info.isFile) return;
  throw new DataDirError("datadir/unsafe", `${path} is not a plain file; it was left alone`, {
    hint: "look at what it is and move it away, or use another folder",
  });
}

function refuseNewer(
  path: string,
  bytes: Uint8Array,
  lines: readonly { start: number; end: number }[],
): void {
  for (const { start, end } of lines.slice(0, 1)) {
    const record = fromLogLine(bytes.subarray(start, end))!;
    if (record.op !== "format" || record.format <= LOG_FORMAT) continue;
    throw new DataDirError(
      "datadir/newer-format",
      `${path} has format ${record.format}, and this version reads up to ${LOG_FORMAT}; it was left untouched`,
      { hint: "use the newer version that wrote it" },
    );
  }
}

async function readAll(path: string): Promise<Uint8Array> {
  try {
    return await Deno.readFile(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return new Uint8Array(0);
    throw error;
  }
}

/** The intact lines, after a first one with the format. */
function withFormat(
  bytes: Uint8Array,
  lines: readonly { start: number; end: number }[],
): Uint8Array {
  const [first] = lines;
  const named = first && fromLogLine(bytes.subarray(first.start, first.end))!.op === "format";
  const rest = concatLines(bytes, lines);
  return named ? rest : concat([toLogLine({ op: "format", format: LOG_FORMAT }), rest]);
}

/** Replaces the file atomically: the old one or the new one, even after a power cut. */
async function replace(dir: string, content: Uint8Array): Promise<void> {
  const fresh = `${dir}/${FRESH}`;
  const file = await Deno.open(fresh, { write: true, create: true, truncate: true, mode: 0o600 });
  try {
    for (let at = 0; at < content.length;) at += await file.write(content.subarray(at));
    await file.sync();
  } finally {
    file.close();
  }
  await Deno.rename(fresh, `${dir}/${NAME}`);
  await syncFolder(dir);
}

async function appendSynced(path: string, bytes: Uint8Array): Promise<void> {
  const file = await Deno.open(path, { append: true, create: true, mode: 0o600 });
  try {
    for (let at = 0; at < bytes.length;) at += await file.write(bytes.subarray(at));
    await file.sync();
  } finally {
    file.close();
  }
  await syncFolder(path.slice(0, path.lastIndexOf("/")));
}

async function syncFolder(dir: string): Promise<void> {
  const folder = await Deno.open(dir, { read: true });
  try {
    await folder.sync();
  } finally {
    folder.close();
  }
}

function concatLines(
  bytes: Uint8Array,
  lines: readonly { start: number; end: number }[],
): Uint8Array {
  return concat(lines.map(({ start, end }) => bytes.subarray(start, end + 1)));
}

function text(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
