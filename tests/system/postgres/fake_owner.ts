/** A driver for tests of shares: it remembers what it was told, and leases what a test says. */
import { maskOf, type PartMask, partsIn } from "../../../core/event/part.ts";
import type { OwnedPart, PartLoad, PartOwner, PartRows } from "../../../core/state/coordinator.ts";
import type { Fence } from "../../../core/state/fences.ts";

/** What it was told, in order. */
export interface Told {
  what: "gained" | "changed" | "leaving" | "lost";
  parts: number[];
}

export class FakeOwner implements PartOwner {
  readonly owned = new Map<number, OwnedPart>();
  readonly told: Told[] = [];
  /** The rows that it read last. */
  rows: PartRows | undefined;
  #leased: PartMask = 0;
  #returned = Promise.withResolvers<void>();

  get parts(): number[] {
    return [...this.owned.keys()].sort((a, b) => a - b);
  }

  /** Leases something of each of these parts, until it is told otherwise. */
  lease(...parts: number[]): void {
    this.#leased = maskOf(parts);
    this.#returned.resolve();
    this.#returned = Promise.withResolvers();
  }

  fences(subscription: string, ...parts: number[]): Fence[] {
    return parts.map((part) => ({ subscription, ...this.owned.get(part)! }));
  }

  gained(rows: PartRows): Promise<void> {
    this.#take(rows, "gained");
    return Promise.resolve();
  }

  async changed(load: () => Promise<PartRows | undefined>): Promise<void> {
    const rows = await load();
    if (rows) this.#take(rows, "changed");
  }

  #take(rows: PartRows, what: Told["what"]): void {
    this.rows = rows;
    for (const part of rows.parts) this.owned.set(part.part, part);
    this.told.push({ what, parts: rows.parts.map(({ part }) => part) });
  }

  async leaving(parts: PartMask): Promise<void> {
    this.told.push({ what: "leaving", parts: partsIn(parts) });
    while ((this.#leased & parts) !== 0) await this.#returned.promise;
  }

  lost(parts: PartMask): Promise<void> {
    this.told.push({ what: "lost", parts: partsIn(parts) });
    for (const part of partsIn(parts)) this.owned.delete(part);
    this.#leased &= ~parts;
    return Promise.resolve();
  }

  load(): PartLoad {
    return { pending: this.owned.size, leased: partsIn(this.#leased).length, scheduled: 0 };
  }
}
