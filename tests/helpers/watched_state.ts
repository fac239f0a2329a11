/** A state that tests look at and make fail. */
import { CannotStoreError } from "../../core/base/errors.ts";
import { MemoryState } from "../../core/state/memory.ts";
import type { StateChange } from "../../core/state/state.ts";

/** A state that keeps what was committed, and refuses commits when told to. */
export class WatchedState extends MemoryState {
  commits: (readonly StateChange[])[] = [];
  /** Refuses for want of room, as long as it is true. */
  refuses = false;
  /** Fails in a way that nothing can be trusted after. */
  breaks = false;
  /** Is called before something is committed. */
  committing: (changes: readonly StateChange[]) => void = () => {};

  override commit(changes: readonly StateChange[]): Promise<void> {
    if (this.breaks) return Promise.reject(new Error("fsync: EIO"));
    if (this.refuses) return Promise.reject(new CannotStoreError("the disk is full"));
    this.committing(changes);
    this.commits.push(changes);
    return super.commit(changes);
  }
}
