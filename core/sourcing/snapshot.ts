/**
 * Snapshots: an aggregate's state at one version, so that loading need not start at its first
 * event.
 *
 * A snapshot is only a cache. One that cannot be read, has another version of the state's shape, or
 * refers to events that the store does not have (it may have been restored from a backup and have
 * continued differently) is ignored, and the aggregate is rebuilt from its events.
 */
import { InvalidArgumentError, SnapshotError } from "../base/errors.ts";
import { unplainPart } from "../json/to_json.ts";

/** An aggregate's state at one version. */
export interface Snapshot {
  /** The topic of the aggregate's events. */
  topic: string;
  /** The aggregate's id. */
  id: string;
  /** The number of events in the state. */
  version: number;
  /** The seq of the last of them. */
  seq: number;
  /** The id of the last of them; the store must have the same event at that seq. */
  eventId: string;
  /** The version of the state's shape, from the policy in force when the snapshot was taken. */
  shape: string;
  /** Plain JSON: no `Map`, `Set`, `Date`, bigint or object of a class. */
  state: unknown;
}

/** Stores the latest snapshot of each aggregate. */
export interface SnapshotStore {
  /** The latest snapshot of an aggregate; undefined if there is none. */
  load(topic: string, id: string): Promise<Snapshot | undefined>;
  /** Replaces the previous snapshot. */
  save(snapshot: Snapshot): Promise<void>;
}

/** When snapshots are taken, and where they are stored. */
export interface SnapshotPolicy {
  /** Where they are stored. */
  store: SnapshotStore;
  /** Take a snapshot after this many events. Default 100. */
  every?: number;
  /**
   * Called after each save, instead of using `every`, with the current version and that of the last
   * snapshot (0 if there is none).
   */
  when?: (versions: { version: number; snapshot: number }) => boolean;
  /**
   * Change this when the shape of the state changes; older snapshots are then ignored. Default `1`.
   */
  shape?: string;
}

/** True if a snapshot is due. */
export function isDue(
  { every = 100, when }: SnapshotPolicy,
  versions: { version: number; snapshot: number },
): boolean {
  return when ? when(versions) : versions.version - versions.snapshot >= every;
}

/** Returns the policy, or throws `InvalidArgumentError`. */
export function checkPolicy(policy: SnapshotPolicy | undefined): SnapshotPolicy | undefined {
  const every = policy?.every;
  if (every !== undefined && (!Number.isSafeInteger(every) || every < 1)) {
    throw new InvalidArgumentError(`every is a whole number of events from 1, not ${every}`, {
      details: { field: "snapshots.every" },
    });
  }
  return policy;
}

/** Whether the snapshot is usable, and if not, why. */
export function checkSnapshot(
  snapshot: Snapshot,
  shape: string,
): { usable: true } | { usable: false; why: SnapshotError | undefined } {
  // A different shape is not an error: the program has changed.
  if (snapshot.shape !== shape) return { usable: false, why: undefined };
  const sound = Number.isSafeInteger(snapshot.version) && snapshot.version > 0 &&
    Number.isSafeInteger(snapshot.seq) && snapshot.seq >= 0 &&
    typeof snapshot.eventId === "string" &&
    typeof snapshot.state === "object" && snapshot.state !== null;
  return sound ? { usable: true } : { usable: false, why: broken(snapshot, "it is incomplete") };
}

/**
 * Throws `SnapshotError` for a state that JSON does not keep as it is: read again, it would be
 * another one.
 */
export function assertPlainState({ topic, id, state }: Snapshot): void {
  const unplain = unplainPart(state);
  if (!unplain) return;
  const { pointer, found, hint } = unplain;
  throw new SnapshotError(
    `no snapshot of ${id} (${topic}) is taken: its state is not plain JSON, ${
      pointer === "" ? "it" : pointer
    } is ${found}`,
    { details: { topic, id, pointer }, hint },
  );
}

/** The error for a snapshot that is ignored. */
export function broken(
  { topic, id }: { topic: string; id: string },
  why: string,
  cause?: unknown,
): SnapshotError {
  return new SnapshotError(`the snapshot of ${id} (${topic}) is ignored: ${why}`, {
    details: { topic, id },
    cause,
  });
}

/**
 * Snapshots kept in memory, for the life of the process.
 *
 * ```ts
 * const snapshots = new MemorySnapshotStore();
 * const latest = await snapshots.load("orders", "o-1");
 * ```
 */
export class MemorySnapshotStore implements SnapshotStore {
  readonly #snapshots = new Map<string, string>();

  /** The latest snapshot of an aggregate; undefined if there is none. */
  load(topic: string, id: string): Promise<Snapshot | undefined> {
    const text = this.#snapshots.get(`${topic}\n${id}`);
    return Promise.resolve(text === undefined ? undefined : JSON.parse(text));
  }

  /** Replaces the previous snapshot. Throws `SnapshotError` for a state that is not plain JSON. */
  // deno-lint-ignore require-await -- async turns what it throws into a rejection
  async save(snapshot: Snapshot): Promise<void> {
    assertPlainState(snapshot);
    this.#snapshots.set(`${snapshot.topic}\n${snapshot.id}`, JSON.stringify(snapshot));
  }
}
