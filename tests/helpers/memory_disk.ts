/**
 * An in-memory file system that can lose power.
 *
 * Data that was not synced may or may not be there after {@link MemoryDisk.powerCut}: each sector
 * of a file is as it was at some moment since the last sync, and of a folder's changes a prefix has
 * happened. Synced data is there. Any call can also be made to fail: see {@link MemoryDisk.onCall}.
 */
import type { Disk, DiskEntry, DiskFile } from "../../core/store/file/disk.ts";

const SECTOR = 512;

/** A call to the disk, as passed to `onCall`. */
export interface DiskCall {
  op: "open" | "create" | "write" | "truncate" | "sync" | "syncFolder" | "rename" | "remove";
  path: string;
  /** The number of bytes to write. */
  bytes?: number;
  /** The write makes the file longer. */
  grows?: boolean;
}

/** A file: its bytes, and the changes since its last sync. */
class Node {
  bytes = new Uint8Array(0);
  durable = new Uint8Array(0);
  unsynced: ({ position: number; bytes: Uint8Array } | { length: number })[] = [];
  /** The number of durable changes. */
  #synced = 0;

  /** What a sync that starts now makes durable. */
  written(): { changes: number; bytes: Uint8Array<ArrayBuffer> } {
    return { changes: this.#synced + this.unsynced.length, bytes: this.bytes.slice() };
  }

  sync({ changes, bytes } = this.written()): void {
    if (changes < this.#synced) return;
    this.durable = bytes;
    this.unsynced.splice(0, changes - this.#synced);
    this.#synced = changes;
  }
}

type Entry = Node | "folder";
/** A change to a folder: an entry is set or removed. */
type Change = (entries: Map<string, Entry>) => void;

/** A disk in memory that can lose power. */
export class MemoryDisk implements Disk {
  readonly #entries = new Map<string, Entry>();
  readonly #durable = new Map<string, Entry>();
  readonly #changes = new Map<string, Change[]>();
  readonly #locks = new Set<string>();
  #off = false;
  /** Called before each call takes effect; may throw, or return how many bytes to write. */
  onCall: ((call: DiskCall) => number | void) | undefined;
  /** How long a sync concurrent with writes takes: the next append can start in between. */
  onSyncBeside: (path: string) => Promise<void> = async () => {
    for (let i = 0; i < 100; i++) await Promise.resolve();
  };

  constructor() {
    this.#entries.set("/", "folder");
    this.#durable.set("/", "folder");
  }

  open(path: string, mode: "read" | "write" | "create"): DiskFile {
    this.#call({ op: mode === "create" ? "create" : "open", path });
    const there = this.#entries.get(path);
    if (mode === "create") {
      if (there) throw new Deno.errors.AlreadyExists(path);
      const node = new Node();
      this.#change(path, (entries) => entries.set(path, node));
      return this.#file(path, node);
    }
    if (!(there instanceof Node)) throw new Deno.errors.NotFound(path);
    return this.#file(path, there);
  }

  list(path: string): DiskEntry[] {
    if (this.#entries.get(path) !== "folder") throw new Deno.errors.NotFound(path);
    return [...this.#entries]
      .filter(([name]) => name !== "/" && parentOf(name) === path)
      .map(([name, entry]) => ({
        name: name.slice(path.length + 1),
        kind: entry === "folder" ? "folder" : "file",
      }));
  }

  size(path: string): number | undefined {
    const there = this.#entries.get(path);
    return there instanceof Node ? there.bytes.length : undefined;
  }

  makeFolder(path: string): boolean {
    if (this.#entries.has(path)) return false;
    if (!this.#entries.has(parentOf(path))) throw new Deno.errors.NotFound(path);
    this.#change(path, (entries) => entries.set(path, "folder"));
    return true;
  }

  rename(from: string, to: string): void {
    this.#call({ op: "rename", path: to });
    const entry = this.#entries.get(from);
    if (!entry) throw new Deno.errors.NotFound(from);
    this.#change(to, (entries) => {
      entries.delete(from);
      entries.set(to, entry);
    });
  }

  remove(path: string): void {
    this.#call({ op: "remove", path });
    if (!this.#entries.has(path)) throw new Deno.errors.NotFound(path);
    this.#change(path, (entries) => entries.delete(path));
  }

  syncFolder(path: string): void {
    this.#call({ op: "syncFolder", path });
    for (const change of this.#changes.get(path) ?? []) change(this.#durable);
    this.#changes.delete(path);
  }

  lock(path: string): { close(): void } | undefined {
    if (this.#locks.has(path)) return undefined;
    this.#locks.add(path);
    return { close: () => void this.#locks.delete(path) };
  }

  /** The bytes of a file. */
  bytes(path: string): Uint8Array {
    const node = this.#entries.get(path);
    if (!(node instanceof Node)) throw new Deno.errors.NotFound(path);
    return node.bytes;
  }

  /** Creates a file or replaces its contents, durably. */
  put(path: string, bytes: Uint8Array): void {
    const there = this.#entries.get(path);
    const node = there instanceof Node ? there : new Node();
    node.bytes = bytes.slice();
    node.sync();
    for (const entries of [this.#entries, this.#durable]) entries.set(path, node);
  }

  /** Paths of all files. */
  files(): string[] {
    return [...this.#entries].filter(([, entry]) => entry instanceof Node).map(([path]) => path);
  }

  /** Simulates a kill of the process: returns an unlocked disk with everything that was written. */
  kill(): MemoryDisk {
    this.#off = true;
    const disk = new MemoryDisk();
    for (const [path, entry] of this.#entries) disk.#put(path, entry, (node) => node.bytes);
    return disk;
  }

  /**
   * Cuts the power: returns a disk with what survives, chosen by `random` (0 to below 1). This disk
   * is off from now on.
   */
  powerCut(random: () => number): MemoryDisk {
    this.#off = true;
    const disk = new MemoryDisk();
    const entries = new Map(this.#durable);
    for (const changes of this.#changes.values()) {
      for (const change of changes.slice(0, Math.floor(random() * (changes.length + 1)))) {
        change(entries);
      }
    }
    for (const [path, entry] of entries) {
      if (isReached(path, entries)) disk.#put(path, entry, (node) => survivors(node, random));
    }
    return disk;
  }

  #put(path: string, entry: Entry, bytesOf: (node: Node) => Uint8Array): void {
    const copy = entry === "folder" ? entry : new Node();
    if (copy instanceof Node) {
      copy.bytes = bytesOf(entry as Node).slice();
      copy.sync();
    }
    this.#entries.set(path, copy);
    this.#durable.set(path, copy);
  }

  #change(path: string, change: Change): void {
    change(this.#entries);
    const folder = parentOf(path);
    this.#changes.set(folder, [...this.#changes.get(folder) ?? [], change]);
  }

  #call(call: DiskCall): number | void {
    if (this.#off) throw new Error("the power is off");
    return this.onCall?.(call);
  }

  #file(path: string, node: Node): DiskFile {
    const sync = () => {
      this.#call({ op: "sync", path });
      node.sync();
    };
    let beside = false;
    let syncing = 0;
    return {
      size: () => node.bytes.length,
      read: (into, position) => {
        const bytes = node.bytes.subarray(position, position + into.length);
        into.set(bytes);
        return bytes.length;
      },
      write: (bytes, position) => {
        const grows = position + bytes.length > node.bytes.length;
        const count = this.#call({ op: "write", path, bytes: bytes.length, grows }) ??
          bytes.length;
        const written = bytes.slice(0, count);
        node.unsynced.push({ position, bytes: written });
        node.bytes = write(node.bytes, position, written);
        return count;
      },
      truncate: (length) => {
        this.#call({ op: "truncate", path });
        node.unsynced.push({ length });
        node.bytes = resize(node.bytes, length);
      },
      hasName: () => this.#entries.get(path) === node,
      sync: () => Promise.try(sync),
      prepareBeside: () => {
        if (!beside) this.#call({ op: "open", path });
        beside = true;
      },
      closeBeside: () => void (beside = false),
      syncBeside: async () => {
        const written = node.written();
        syncing++;
        try {
          await this.onSyncBeside(path);
        } finally {
          syncing--;
        }
        this.#call({ op: "sync", path });
        node.sync(written);
      },
      syncNow: sync,
      close: () => {
        if (syncing > 0) throw new Error(`${path} was closed while it was synced`);
      },
    };
  }
}

/**
 * A file after a power cut: each sector, and the length, is as it was at some moment since the last
 * sync. In a third of the cases it is the same moment for all, as on a file system that keeps the
 * order.
 */
function survivors(node: Node, random: () => number): Uint8Array {
  const moments = [node.durable];
  for (const change of node.unsynced) {
    const before = moments.at(-1)!;
    moments.push(
      "length" in change
        ? resize(before, change.length)
        : write(before, change.position, change.bytes),
    );
  }
  const any = () => moments[Math.floor(random() * moments.length)]!;
  if (random() < 1 / 3) return any();
  const bytes = new Uint8Array(any().length);
  for (let at = 0; at < bytes.length; at += SECTOR) {
    const sector = any().subarray(at, at + SECTOR);
    bytes.set(sector.subarray(0, bytes.length - at), at);
  }
  return bytes;
}

function write(bytes: Uint8Array, position: number, added: Uint8Array): Uint8Array<ArrayBuffer> {
  const whole = resize(bytes, Math.max(bytes.length, position + added.length));
  whole.set(added, position);
  return whole;
}

function resize(bytes: Uint8Array, length: number): Uint8Array<ArrayBuffer> {
  const resized = new Uint8Array(length);
  resized.set(bytes.subarray(0, length));
  return resized;
}

function parentOf(path: string): string {
  return path.slice(0, Math.max(1, path.lastIndexOf("/")));
}

/** True if the folder and all its parents exist. */
function isReached(path: string, entries: ReadonlyMap<string, unknown>): boolean {
  return entries.has(path) && (path === "/" || isReached(parentOf(path), entries));
}
