/**
 * The file `watermarks` of a data dir records what the databases and files beside it held when it
 * was last written, so that a start notices what is gone. It is a lower bound, never ahead of what
 * is durable: a topic is recorded after its events were acknowledged as durable, up to a second
 * later and without an fsync. So a power cut may lose its last second. It is synced when the daemon
 * starts and when it stops.
 *
 * ```text
 * CRC {"format":1,"phase":"open","generation":7,"files":["events.db","state.db"]}
 * CRC {"topic":"orders","lastSeq":400}
 * ```
 *
 * The last line of a topic counts. Lines with a wrong checksum are ignored.
 */
import { ifThere } from "../base/if_there.ts";
import { crc32 } from "../base/checksum.ts";
import type { Clock } from "../base/clock.ts";

/** Its name in a data dir. */
export const WATERMARKS_FILE = "watermarks";

/**
 * `open`: a daemon is using the data dir, or was killed. `closing`: it was shutting down, or a start
 * after a kill has failed. `closed`: it shut down cleanly. `restored`: evs restore created the data
 * dir, and nothing is recorded of it yet.
 */
export type Phase = "open" | "closing" | "closed" | "restored";

/** The contents of the file. */
export interface Watermarks {
  phase: Phase;
  /** How often the state was opened and closed; lower for an older copy of the state. */
  generation: number;
  /** Files and folders that the data dir had. */
  files: string[];
  /** The last seq of each topic. */
  ends: Map<string, number>;
  /** When it was last written, Unix ms. */
  writtenAt: number;
}

/** A topic is recorded at most this long after its event, ms. */
const INTERVAL = 1000;
/** The file is rewritten after growing by this much, bytes. */
const MOST_GROWTH = 1024 * 1024;
const FORMAT = 1;
const encoder = new TextEncoder();

/** Reads the file in a data dir; undefined if there is none, or its first line is damaged. */
export function readWatermarks(dataDir: string): Watermarks | undefined {
  const path = `${dataDir}/${WATERMARKS_FILE}`;
  return ifThere(() => {
    const writtenAt = Deno.lstatSync(path).mtime?.getTime() ?? 0;
    return parseWatermarks(Deno.readTextFileSync(path), writtenAt);
  });
}

/** Parses the text of such a file. */
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

/** Rewrites the file durably. */
export function writeWatermarks(
  dataDir: string,
  marks: Pick<Watermarks, "phase" | "generation" | "files" | "ends">,
): void {
  const path = `${dataDir}/${WATERMARKS_FILE}`;
  const { phase, generation, files, ends } = marks;
  const lines = [lineOf({ format: FORMAT, phase, generation, files })];
  for (const [topic, lastSeq] of ends) lines.push(lineOf({ topic, lastSeq }));
  ifThere(() => Deno.removeSync(`${path}.new`));
  const file = Deno.openSync(`${path}.new`, { write: true, createNew: true, mode: 0o600 });
  try {
    // The umask may have removed too many permissions.
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

/** Keeps the file up to date while a daemon runs. */
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

  /**
   * Rewrites the file to say that a daemon now uses the data dir. `files` lists those that exist.
   */
  constructor(dataDir: string, options: {
    clock: Clock;
    generation: number;
    ends: Iterable<readonly [topic: string, lastSeq: number]>;
    files: () => string[];
    /** Called when a write fails; after a full disk the write is retried. */
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

  /** Records that the events of a topic up to `lastSeq` are durable. */
  note(topic: string, lastSeq: number): void {
    if (lastSeq <= (this.#ends.get(topic) ?? 0)) return;
    this.#ends.set(topic, lastSeq);
    this.#unwritten.add(topic);
    this.#cancel ??= this.#clock.setTimer(() => {
      this.#cancel = undefined;
      this.#write();
    }, INTERVAL);
  }

  /** The daemon is about to close its files; from now on WALs may disappear. */
  closing(): void {
    this.#cancel?.();
    this.#writeAnew("closing");
  }

  /** The files that existed when it was last rewritten. */
  get files(): readonly string[] {
    return this.#written;
  }

  /**
   * Records a clean shutdown. `ends`: the last seqs of all topics, including those without
   * immediate fsync. `counted`: the state has counted its closing.
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
      // The file is now behind but not wrong; the next event triggers another write. It writes all
      // anew: the last line may be there in part, and would ruin the one behind it.
      this.#growth = MOST_GROWTH;
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
