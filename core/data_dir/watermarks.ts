/**
 * The file `watermarks` of a data dir: what the databases and files beside it held when it was last
 * written, so that a start misses what is gone. It is a lower bound, never ahead of what is
 * durable: a topic is written down after its events were acknowledged as durable, at most a second
 * later, and nothing of that is synced; so a power cut may take the last second of it. It is synced
 * when the daemon starts and ends.
 *
 * ```text
 * CRC {"format":1,"phase":"open","generation":7,"files":["events.db","state.db"]}
 * CRC {"topic":"orders","lastSeq":400}
 * ```
 *
 * The last line of a topic counts. A line that is not as it was written is left out.
 */
import { crc32 } from "../base/checksum.ts";
import type { Clock } from "../base/clock.ts";

/** Its name in a data dir. */
export const WATERMARKS_FILE = "watermarks";

/**
 * `open`: a daemon has the data dir, or was killed. `closing`: it was ending. `closed`: it ended in
 * order. `restored`: evs restore made the data dir, and nothing is known of it yet.
 */
export type Phase = "open" | "closing" | "closed" | "restored";

/** What the file says. */
export interface Watermarks {
  phase: Phase;
  /** How often the state was opened and closed; of an older state that is less. */
  generation: number;
  /** Files and folders of the data dir that were there. */
  files: string[];
  /** The last seq of each topic. */
  ends: Map<string, number>;
  /** When it was last written, Unix ms. */
  writtenAt: number;
}

/** A topic is written down so long after its event at most, ms. */
const INTERVAL = 1000;
/** It is written anew when it has grown by so much, bytes. */
const MOST_GROWTH = 1024 * 1024;
const FORMAT = 1;
const encoder = new TextEncoder();

/**
 * What the file in a data dir says; undefined where there is none, or one whose first line is
 * damaged.
 */
export function readWatermarks(dataDir: string): Watermarks | undefined {
  const path = `${dataDir}/${WATERMARKS_FILE}`;
  let text: string;
  let writtenAt: number;
  try {
    writtenAt = Deno.lstatSync(path).mtime?.getTime() ?? 0;
    text = Deno.readTextFileSync(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
  return parseWatermarks(text, writtenAt);
}

/** The same of its text. */
export function parseWatermarks(text: string, writtenAt: number): Watermarks | undefined {
  const [first, ...rest] = text.split("\n").map(parseLine);
  const { phase, generation, files } = first ?? {};
  const isOurs = typeof generation === "number" && Array.isArray(files) &&
    ["open", "closing", "closed", "restored"].includes(phase as string);
  if (!isOurs) return undefined;
  const ends = new Map<string, number>();
  for (const line of rest) {
    const { topic, lastSeq } = line ?? {};
    if (typeof topic === "string" && Number.isSafeInteger(lastSeq)) {
      ends.set(topic, lastSeq as number);
    }
  }
  return { phase: phase as Phase, generation, files: files.map(String), ends, writtenAt };
}

/** Writes it anew, durably. */
export function writeWatermarks(
  dataDir: string,
  marks: Pick<Watermarks, "phase" | "generation" | "files" | "ends">,
): void {
  const path = `${dataDir}/${WATERMARKS_FILE}`;
  const { phase, generation, files, ends } = marks;
  const lines = [lineOf({ format: FORMAT, phase, generation, files })];
  for (const [topic, lastSeq] of ends) lines.push(lineOf({ topic, lastSeq }));
  removeIfThere(`${path}.new`);
  const file = Deno.openSync(`${path}.new`, { write: true, createNew: true, mode: 0o600 });
  try {
    // The umask may have taken more than it should.
    Deno.chmodSync(`${path}.new`, 0o600);
    writeAll(file, encoder.encode(lines.join("")));
    file.syncSync();
  } finally {
    file.close();
  }
  Deno.renameSync(`${path}.new`, path);
  const folder = Deno.openSync(dataDir, { read: true });
  try {
    folder.syncSync();
  } finally {
    folder.close();
  }
}

/** Keeps the file while a daemon runs. */
export class WatermarkKeeper {
  readonly #dataDir: string;
  readonly #clock: Clock;
  readonly #files: () => string[];
  readonly #onError: (error: unknown) => void;
  readonly #ends: Map<string, number>;
  readonly #unwritten = new Set<string>();
  readonly #generation: number;
  #written: string[] = [];
  #file: Deno.FsFile | undefined;
  #growth = 0;
  #cancel: (() => void) | undefined;

  /** Writes it anew: from here on a daemon has the data dir. `files` tells which are there. */
  constructor(dataDir: string, options: {
    clock: Clock;
    generation: number;
    ends: Iterable<readonly [topic: string, lastSeq: number]>;
    files: () => string[];
    /** Told what could not be written; a full disk is tried again. */
    onError: (error: unknown) => void;
  }) {
    this.#dataDir = dataDir;
    this.#clock = options.clock;
    this.#files = options.files;
    this.#onError = options.onError;
    this.#generation = options.generation;
    this.#ends = new Map(options.ends);
    this.#writeAnew("open");
  }

  /** Events of a topic up to `lastSeq` are durable. */
  note(topic: string, lastSeq: number): void {
    if (lastSeq <= (this.#ends.get(topic) ?? 0)) return;
    this.#ends.set(topic, lastSeq);
    this.#unwritten.add(topic);
    this.#cancel ??= this.#clock.setTimer(() => {
      this.#cancel = undefined;
      this.#write();
    }, INTERVAL);
  }

  /** The daemon is about to close what it has open: from here on logs may be gone. */
  closing(): void {
    this.#cancel?.();
    this.#writeAnew("closing");
  }

  /** What was there when it was last written anew. */
  get files(): readonly string[] {
    return this.#written;
  }

  /**
   * It ended in order. `ends`: of all topics, also those that are not synced at once; `counted`:
   * the state counted that it was closed.
   */
  closed(
    ends: Iterable<readonly [topic: string, lastSeq: number]>,
    { counted }: { counted: boolean },
  ): void {
    for (const [topic, lastSeq] of ends) this.#ends.set(topic, lastSeq);
    this.#writeAnew("closed", this.#generation + (counted ? 1 : 0));
    this.#file?.close();
    this.#file = undefined;
  }

  #write(): void {
    const lines: string[] = [];
    for (const topic of this.#unwritten) {
      lines.push(lineOf({ topic, lastSeq: this.#ends.get(topic) }));
    }
    const bytes = encoder.encode(lines.join(""));
    try {
      if (this.#growth + bytes.length > MOST_GROWTH) this.#writeAnew("open");
      else writeAll(this.#file!, bytes);
      this.#growth += bytes.length;
      this.#unwritten.clear();
    } catch (error) {
      // It says less, and nothing that is wrong; the next event has it written again.
      this.#onError(error);
    }
  }

  #writeAnew(phase: Phase, generation = this.#generation): void {
    this.#file?.close();
    this.#file = undefined;
    const files = this.#written = this.#files();
    writeWatermarks(this.#dataDir, { phase, generation, files, ends: this.#ends });
    this.#file = Deno.openSync(`${this.#dataDir}/${WATERMARKS_FILE}`, { append: true });
    this.#unwritten.clear();
    this.#growth = 0;
  }
}

function lineOf(value: unknown): string {
  const text = JSON.stringify(value);
  return `${sumOf(text)} ${text}\n`;
}

function parseLine(line: string): Record<string, unknown> | undefined {
  const text = line.slice(9);
  if (text === "" || line.slice(0, 9) !== `${sumOf(text)} `) return undefined;
  return JSON.parse(text);
}

function sumOf(text: string): string {
  return crc32(encoder.encode(text)).toString(16).padStart(8, "0");
}

function writeAll(file: Deno.FsFile, bytes: Uint8Array): void {
  for (let at = 0; at < bytes.length;) at += file.writeSync(bytes.subarray(at));
}

function removeIfThere(path: string): void {
  try {
    Deno.removeSync(path);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}
