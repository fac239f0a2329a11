/**
 * Reads the output of `strace -f -y` for a daemon and determines for each record whether it was
 * synced before it was acknowledged (contract row 1).
 *
 * A record is identified by a marker in its payload, an acknowledgement by the `firstSeq` and
 * `lastSeq` of the reply. Lines are in the order in which the kernel stopped the threads, so a call
 * that started after another had ended really followed it. A call interrupted by another thread's
 * line counts as started at its first half and ended at the second.
 */

/** The result of an audit. */
export interface SyncAudit {
  /** Acknowledged sequence numbers in the trace. */
  acknowledged: number;
  /** Replies that were written before their record was synced. */
  inversions: string[];
  /** Syncs of the log. */
  syncs: number;
  /** Syncs of the folder. */
  folderSyncs: number;
  /** Writes to the log that ended during a sync of it. */
  beside: number;
}

const MARKER = /mark-(\d{6})-/g;
const CALL = /^(\d+)\s+(\w+)\((.*)$/;
const RESUMED = /^(\d+)\s+<\.\.\. (\w+) resumed>(.*)$/;
const SYNC = new Set(["fsync", "fdatasync"]);

/** Processes a trace line by line. */
export class SyncTrace {
  readonly #log: string;
  readonly #folder: string;
  /** Calls that have started and not ended, by thread. */
  readonly #open = new Map<string, { name: string; text: string; began: number }>();
  /** Markers that have been written, with the time at which the write ended. */
  readonly #written = new Map<number, number>();
  readonly #synced = new Set<number>();
  readonly #markerOf: (seq: number) => number | undefined;
  #now = 0;
  readonly #audit: SyncAudit = {
    acknowledged: 0,
    inversions: [],
    syncs: 0,
    folderSyncs: 0,
    beside: 0,
  };

  /**
   * `log` is the path of the file that records are written to; `markerOf` returns the marker of a
   * seq.
   */
  constructor(log: string, markerOf: (seq: number) => number | undefined) {
    this.#log = log;
    this.#folder = log.slice(0, log.lastIndexOf("/"));
    this.#markerOf = markerOf;
  }

  /** One line of the trace. */
  line(line: string): void {
    const now = ++this.#now;
    const resumed = RESUMED.exec(line);
    if (resumed) {
      const [, thread = "", name = "", rest = ""] = resumed;
      const call = this.#open.get(thread);
      this.#open.delete(thread);
      if (call?.name === name) this.#ended(name, call.text + rest, call.began);
      return;
    }
    const [, thread = "", name = "", text = ""] = CALL.exec(line) ?? [];
    if (name === "") return;
    this.#began(name, text);
    if (text.endsWith("<unfinished ...>")) this.#open.set(thread, { name, text, began: now });
    else this.#ended(name, text, now);
  }

  #began(name: string, text: string): void {
    if (SYNC.has(name) || text.includes(`<${this.#log}>`)) return;
    // A reply: quotes are escaped in strace's strings.
    const first = /\\"firstSeq\\":(\d+)/.exec(text);
    const last = /\\"lastSeq\\":(\d+)/.exec(text);
    if (!first || !last) return;
    for (let seq = Number(first[1]); seq <= Number(last[1]); seq++) this.#acknowledge(seq);
  }

  #acknowledge(seq: number): void {
    if (seq === 0) return;
    this.#audit.acknowledged++;
    const marker = this.#markerOf(seq);
    if (marker !== undefined && this.#synced.has(marker)) return;
    const state = marker !== undefined && this.#written.has(marker) ? "not synced" : "not written";
    this.#audit.inversions.push(`seq ${seq} was acknowledged when it was ${state}`);
  }

  #ended(name: string, text: string, began: number): void {
    const now = this.#now;
    if (SYNC.has(name)) {
      if (!/= 0(?: \(DELAYED\))?$/.test(text.trimEnd())) return;
      if (text.includes(`<${this.#folder}>`)) this.#audit.folderSyncs++;
      if (!text.includes(`<${this.#log}>`)) return;
      this.#audit.syncs++;
      for (const [marker, end] of this.#written) {
        if (end >= began) continue;
        this.#synced.add(marker);
        this.#written.delete(marker);
      }
    } else if (text.includes(`<${this.#log}>`)) {
      if (this.#isSyncing()) this.#audit.beside++;
      for (const [, digits] of text.matchAll(MARKER)) {
        const marker = Number(digits);
        if (!this.#synced.has(marker) && !this.#written.has(marker)) this.#written.set(marker, now);
      }
    }
  }

  #isSyncing(): boolean {
    return [...this.#open.values()].some(({ name, text }) =>
      SYNC.has(name) && text.includes(`<${this.#log}>`)
    );
  }

  /** The result so far. */
  get audit(): Readonly<SyncAudit> {
    return this.#audit;
  }
}
