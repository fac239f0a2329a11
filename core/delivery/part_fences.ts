/**
 * What the commits of a queue depend on, where its subscription is divided between nodes: that this
 * node still owns the parts that they name, as it knows them. This changes together with the queue,
 * and never while a plan is under way, so a plan and its fences are always of one moment.
 */
import { InternalError } from "../base/errors.ts";
import { EVERY_PART, maskOf, type PartMask, partsIn } from "../event/part.ts";
import type { OwnedPart } from "../state/coordinator.ts";
import { type Fence, type FencedError, partsOfChange } from "../state/fences.ts";
import type { StateChange } from "../state/state.ts";

/** The fences of one queue. */
export class PartFences {
  readonly #subscription: string;
  readonly #owned = new Map<number, OwnedPart>();

  constructor(subscription: string) {
    this.#subscription = subscription;
  }

  /** Parts are this node's, or are known as somebody else has changed them. */
  hold(parts: readonly OwnedPart[]): void {
    for (const owned of parts) this.#owned.set(owned.part, owned);
  }

  /** Parts are not here any more. */
  leave(mask: PartMask): void {
    for (const part of partsIn(mask)) this.#owned.delete(part);
  }

  /** True if the part is here, and since the same claim. */
  isHeld({ part, epoch }: OwnedPart): boolean {
    return this.#owned.get(part)?.epoch === epoch;
  }

  /** Those of these parts that are here, as they are known. */
  heldIn(mask: PartMask): OwnedPart[] {
    return partsIn(mask).flatMap((part) => this.#owned.get(part) ?? []);
  }

  /** The epoch of the claim since which a part is here. */
  epochOf(part: number): number | undefined {
    return this.#owned.get(part)?.epoch;
  }

  /** Those of these changes that name no part that has gone since `owned` was true. */
  stillIn(changes: readonly StateChange[], owned: readonly OwnedPart[]): StateChange[] {
    const mask = maskOf(owned.filter((one) => this.isHeld(one)).map(({ part }) => part));
    return changes.filter((change) => (partsOfChange(change) & ~mask) === 0);
  }

  /** What has to hold for these changes; only of the parts that they name. */
  of(changes: readonly StateChange[]): Fence[] {
    const mask = changes.reduce((mask, change) => mask | partsOfChange(change), 0);
    // Who writes for every part has all of them.
    const parts = mask === EVERY_PART ? [...this.#owned.keys()] : partsIn(mask);
    return parts.map((part) => {
      const owned = this.#owned.get(part);
      if (!owned) throw new InternalError(`${this.#subscription} part ${part} is not here`);
      return this.#fence(owned);
    });
  }

  /** True if an error is of parts that are still here as they were then. */
  isNews({ fences, changed }: FencedError): boolean {
    return fences.some((fence) => this.#owned.get(fence.part)?.epoch === fence.epoch) ||
      changed.some(({ part, epoch, rev }) => {
        const owned = this.#owned.get(part);
        return owned?.epoch === epoch && owned.rev === rev;
      });
  }

  #fence({ part, epoch, rev }: OwnedPart): Fence {
    return { subscription: this.#subscription, part, epoch, rev };
  }
}
