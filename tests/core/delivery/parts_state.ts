/**
 * A state that several nodes share, as small as a test needs it: who owns a part, under which epoch
 * and rev, and the rows of a subscription by part. Rows of all parts and of single ones stand side
 * by side, as in PostgreSQL: what holds for a part is its own cursor, or else that of all.
 */
import { EVERY_PART, type PartMask, partsIn } from "../../../core/event/part.ts";
import type { OwnedPart, PartRows } from "../../../core/state/coordinator.ts";
import { partsOfChange } from "../../../core/state/fences.ts";
import type { BegunRecord, UnansweredRecord } from "../../../core/state/records.ts";
import type { DeadLetterRecord, RetryRecord, StateChange } from "../../../core/state/state.ts";

/** Whose a part is. */
export interface Claimed {
  node: string | undefined;
  epoch: number;
  rev: number;
}

/** The parts that a commit named and that are not as it was decided under. */
export interface Refused {
  lost: PartMask;
  changed: PartMask;
}

/** The rows of one subscription, of one topic `t`. */
export class PartsState {
  readonly count: number;
  readonly claims: Claimed[];
  /** By part; -1: of all of them. */
  readonly cursors = new Map<number, number>();
  readonly done = new Map<number, number>();
  readonly retries = new Map<string, RetryRecord>();
  readonly dead = new Map<string, DeadLetterRecord>();
  readonly missed = new Map<number, { from: number; to: number; count: number }>();
  readonly unanswered = new Map<string, UnansweredRecord>();
  readonly begun = new Map<string, BegunRecord>();

  constructor(count: number) {
    this.count = count;
    this.claims = Array.from({ length: count }, () => ({ node: undefined, epoch: 0, rev: 0 }));
  }

  /** Where a part stands. */
  cursorOf(part: number): number {
    return this.cursors.get(part) ?? this.cursors.get(EVERY_PART) ?? 1;
  }

  claim(node: string, mask: PartMask): OwnedPart[] {
    return partsIn(mask).map((part) => {
      const claim = this.claims[part]!;
      claim.node = node;
      return { part, epoch: ++claim.epoch, rev: claim.rev };
    });
  }

  release(node: string, mask: PartMask): void {
    for (const part of partsIn(mask)) {
      if (this.claims[part]!.node === node) this.claims[part]!.node = undefined;
    }
  }

  /** What no longer holds of what a node believes to own; of all parts, or of those named. */
  check(owned: ReadonlyMap<number, OwnedPart>, mask: PartMask = EVERY_PART): Refused {
    const refused = { lost: 0, changed: 0 };
    for (const { part, epoch, rev } of owned.values()) {
      if ((mask & 1 << part) === 0) continue;
      const claim = this.claims[part]!;
      if (claim.epoch !== epoch || claim.node === undefined) refused.lost |= 1 << part;
      else if (claim.rev !== rev) refused.changed |= 1 << part;
    }
    return refused;
  }

  /** Stores changes, unless a part that they name is not as the node believes. */
  commit(changes: readonly StateChange[], owned: ReadonlyMap<number, OwnedPart>): Refused {
    const named = changes.reduce((mask, change) => mask | partsOfChange(change), 0);
    const refused = this.check(owned, named);
    if (refused.lost === 0 && refused.changed === 0) { for (const one of changes) this.apply(one); }
    return refused;
  }

  apply(change: StateChange): void {
    switch (change.op) {
      case "cursor.put":
        return this.#moveTo(change.record.parts ?? 1, change.record.next);
      case "done.put":
        for (const seq of change.seqs) this.done.set(seq, change.part ?? 0);
        return;
      case "missed.put": {
        const { from, to, count, parts = 1 } = change.record;
        const all = partsIn(parts);
        for (const part of all) this.missed.delete(part);
        this.missed.set(all[0]!, { from, to, count });
        return;
      }
      case "retry.put":
        return void this.retries.set(change.record.id, change.record);
      case "retry.remove":
        return void this.retries.delete(change.id);
      case "dead.put":
        return void this.dead.set(change.record.id, change.record);
      case "dead.remove":
        return void this.dead.delete(change.id);
      case "unanswered.put":
        return void this.unanswered.set(change.record.id, change.record);
      case "unanswered.remove":
        return void this.unanswered.delete(change.id);
      case "begun.put":
        return void this.begun.set(change.record.consumer, change.record);
      case "begun.remove":
        return void this.begun.delete(change.consumer);
      case "begun.left": {
        const { record, left } = change;
        if (this.begun.get(record.consumer) !== record) return;
        if (left.length === 0) return void this.begun.delete(record.consumer);
        return void this.begun.set(record.consumer, { ...record, events: left });
      }
      default:
        throw new Error(`no test makes ${change.op}`);
    }
  }

  #moveTo(parts: PartMask, next: number): void {
    if (parts === EVERY_PART) this.cursors.clear();
    for (const part of parts === EVERY_PART ? [EVERY_PART] : partsIn(parts)) {
      this.cursors.set(part, next);
    }
    for (const [seq, part] of this.done) {
      if (seq < next && (parts & 1 << part) !== 0) this.done.delete(seq);
    }
  }

  /** All rows of these parts. */
  rowsOf(parts: readonly OwnedPart[]): PartRows {
    const mask = parts.reduce((mask, { part }) => mask | 1 << part, 0);
    const isIn = ({ part = 0 }: { part?: number }) => (mask & 1 << part) !== 0;
    const about = { subscription: "s", topic: "t" };
    const stored = parts.filter(({ part }) =>
      this.cursors.has(part) || this.cursors.has(EVERY_PART)
    );
    const byNext = Map.groupBy(stored, ({ part }) => this.cursorOf(part));
    return {
      parts,
      cursors: Array.from(byNext, ([next, parts]) => ({
        ...about,
        next,
        parts: parts.reduce((mask, { part }) => mask | 1 << part, 0),
      })),
      done: Array.from(this.done, ([seq, part]) => ({ ...about, seq, part })).filter(isIn),
      missed: Array.from(this.missed, ([part, row]) => ({ ...about, ...row, parts: 1 << part }))
        .filter(({ parts }) => (parts & mask) !== 0),
      expired: [],
      retries: [...this.retries.values()].filter(isIn),
      unanswered: [...this.unanswered.values()].filter(isIn),
      begun: [...this.begun.values()],
    };
  }
}
