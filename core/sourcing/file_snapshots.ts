/**
 * Snapshots in a folder, one file each. Files are replaced by rename, so a reader sees either the
 * old one or the new one. They are not synced, because a lost or torn snapshot can be rebuilt.
 */
import { readJsonFile, writeJsonFile } from "./json_file.ts";
import { thrownText } from "../base/thrown.ts";
import { SnapshotError } from "../base/errors.ts";
import { assertPlainState, type Snapshot, type SnapshotStore } from "./snapshot.ts";

const encoder = new TextEncoder();

/**
 * A {@link SnapshotStore} in a folder, which is created if missing.
 *
 * ```ts
 * const snapshots = new FileSnapshotStore("./snapshots");
 * const latest = await snapshots.load("orders", "o-1");
 * ```
 */
export class FileSnapshotStore implements SnapshotStore {
  readonly #dir: string;

  /** Keeps snapshots in `dir`. */
  constructor(dir: string) {
    this.#dir = dir;
  }

  /** The latest snapshot of an aggregate. */
  async load(topic: string, id: string): Promise<Snapshot | undefined> {
    return await readJsonFile(await this.#path(topic, id));
  }

  /** Replaces the previous snapshot. Throws `SnapshotError`. */
  async save(snapshot: Snapshot): Promise<void> {
    assertPlainState(snapshot);
    const path = await this.#path(snapshot.topic, snapshot.id);
    await Deno.mkdir(this.#dir, { recursive: true, mode: 0o700 });
    try {
      await writeJsonFile(path, snapshot);
    } catch (cause) {
      const why = thrownText(cause);
      throw new SnapshotError(`the snapshot of ${snapshot.id} could not be written: ${why}`, {
        cause,
        details: { topic: snapshot.topic, id: snapshot.id },
      });
    }
  }

  /** A unique file name for each aggregate, whatever characters its id contains. */
  async #path(topic: string, id: string): Promise<string> {
    const hash = await crypto.subtle.digest("SHA-256", encoder.encode(`${topic}\n${id}`));
    return `${this.#dir}/${new Uint8Array(hash).toHex()}.json`;
  }
}
