/**
 * Which parts of a subscription this process delivers, where several processes ("nodes") share a
 * state. A driver says when it wants some, and is told what it got, what it is to give back, and
 * what it has lost; it never asks whether it still owns a part, because every commit does
 * (core/state/fences.ts). Where a process has its state for itself, there is none of this.
 */
import type { PartMask } from "../event/part.ts";
import type { FencedError } from "./fences.ts";
import type { QueueRows } from "./part_rows.ts";
import type { SubscriptionRecord } from "./state.ts";

/** A part that this node owns. */
export interface OwnedPart {
  part: number;
  /** As in {@link Fence}. */
  epoch: number;
  /** As in {@link Fence}. */
  rev: number;
}

/** The rows of some parts of a subscription: what a driver starts with, or goes on with. */
export interface PartRows extends QueueRows {
  parts: readonly OwnedPart[];
}

/** What a driver has to do, for the others to see. */
export interface PartLoad {
  pending: number;
  leased: number;
  scheduled: number;
  /** Since when the oldest lease is held, Unix ms; absent: nothing is leased. */
  leasedSince?: number;
}

/**
 * The driver of a subscription, as its share calls it. It stops leasing events of the parts at once;
 * all else takes effect when none of its commits is under way, and the promise resolves then. No
 * call rejects.
 */
export interface PartOwner {
  /** Parts are this node's: these are all their rows. */
  gained(rows: PartRows): Promise<void>;
  /**
   * Parts are still this node's, but somebody else has changed their rows, or may have; it may lease
   * again. The owner reads them while none of its commits is under way: what was read before one of
   * these would bring back what it settles. `load` never rejects; undefined: they could not be read,
   * and {@link lost} follows, or there is nothing to read.
   */
  changed(load: () => Promise<PartRows | undefined>): Promise<void>;
  /**
   * Parts are to be given back: nothing more of them is leased. Resolves when nothing is any more.
   * Then, or after some time in any case, the share calls {@link lost} and gives them back.
   */
  leaving(parts: PartMask): Promise<void>;
  /** Parts are another node's: nothing that was decided of them since is stored. */
  lost(parts: PartMask): Promise<void>;
  load(): PartLoad;
}

/** A node's share of one subscription. */
export interface PartShare {
  /** Somebody waits for events here, or holds a lease; or nobody has for a while. */
  want(wanted: boolean): void;
  /**
   * False if nothing may be leased: this node has not been able to say that it is there for half as
   * long as others wait before they take over.
   */
  readonly mayDeliver: boolean;
  /** Parts are wanted, and it is not known yet which ones this node gets. */
  readonly settling: boolean;
  /** Each part has a node that is there: what is not leased here is leased elsewhere. */
  readonly allOwned: boolean;
  /**
   * A commit was refused, for parts that the owner still had as they were then. It has been told
   * what it lost, and what was changed, when this resolves. Where that cannot be found out, the
   * parts are lost.
   */
  refused(error: FencedError): Promise<void>;
  /** Gives all back, and calls the owner no more: it has ended, and has nothing of it any more. */
  end(): Promise<void>;
}

/** This process as one node of several. */
export interface Coordinator {
  /** `HOST-8 random characters`, another one with each start. */
  readonly node: string;
  /** How many parts a new subscription gets. */
  readonly parts: number;
  /** It is to give back what it owns, and gets nothing. Who waits in its drivers is told. */
  readonly draining?: boolean;
  /** Called once for each driver; the owner is called later, and owns nothing yet. */
  share(record: SubscriptionRecord, owner: PartOwner): PartShare;
}
