/** The groups of dead letters of the state in memory. */
import type { DeadLetterRecord } from "./state.ts";
import {
  type DeadLetterGroupCount,
  type GroupMember,
  type GroupRecord,
  type GroupTable,
  type GroupTrendCount,
  isTouched,
} from "./group_rules.ts";
import { SLOTS_PER_HOUR } from "../event/dead_letter_group.ts";
import type { EventIdentity } from "./redactions.ts";

/** A dead letter with its number. */
export interface NumberedDeadLetter {
  number: number;
  record: DeadLetterRecord;
}

/** A {@link GroupTable} in memory. */
export class MemoryGroups implements GroupTable {
  readonly #groups = new Map<string, GroupRecord>();
  /** By number. */
  readonly #assigned = new Map<number, string>();
  /** How many are assigned to each. */
  readonly #present = new Map<string, number>();
  readonly #counts = new Map<string, Map<number, number>>();
  readonly #dead: ReadonlyMap<string, NumberedDeadLetter>;

  /** `dead`: the dead letters that are there. */
  constructor(dead: ReadonlyMap<string, NumberedDeadLetter>) {
    this.#dead = dead;
  }

  get(id: string): GroupRecord | undefined {
    return this.#groups.get(id);
  }

  put(record: GroupRecord): void {
    this.#groups.set(record.id, record);
  }

  remove(id: string): void {
    this.#groups.delete(id);
    this.#counts.delete(id);
  }

  all(): GroupRecord[] {
    return sorted(this.#groups.values());
  }

  size(): number {
    return this.#groups.size;
  }

  spare(): string | undefined {
    const inUse = new Set(this.#groups.values().map(({ merged }) => merged));
    const [spare] = this.all()
      .filter(({ id }) => !inUse.has(id) && !this.isPresent(id))
      .sort((a, b) => Number(isTouched(a)) - Number(isTouched(b)) || a.lastAt - b.lastAt);
    return spare?.id;
  }

  alike(wide: string): GroupRecord[] {
    return sorted(this.#groups.values().filter((group) => group.wide === wide));
  }

  assign({ number }: GroupMember, id: string): void {
    this.gone(number);
    this.#assigned.set(number, id);
    this.#present.set(id, (this.#present.get(id) ?? 0) + 1);
  }

  /** A dead letter is gone. */
  gone(number: number): void {
    const id = this.#assigned.get(number);
    if (id === undefined) return;
    this.#assigned.delete(number);
    const left = this.#present.get(id)! - 1;
    if (left > 0) this.#present.set(id, left);
    else this.#present.delete(id);
  }

  /** The group of a dead letter. */
  groupOf(number: number): string | undefined {
    const id = this.#assigned.get(number);
    return id === undefined ? undefined : this.#groups.get(id)?.merged ?? id;
  }

  isPresent(id: string): boolean {
    return this.#present.has(id);
  }

  membersOf(event: EventIdentity): (GroupMember & { group: string | undefined })[] {
    return [...this.#dead.values()]
      .filter(({ record: { topic, seq, id } }) =>
        topic === event.topic && seq === event.seq && id === event.id
      )
      .map((dead) => ({ ...memberOf(dead), group: this.#assigned.get(dead.number) }));
  }

  count(id: string, slot: number): boolean {
    const counts = this.#counts.get(id) ?? new Map<number, number>();
    this.#counts.set(id, counts);
    const count = (counts.get(slot) ?? 0) + 1;
    counts.set(slot, count);
    return count === 1;
  }

  trim(id: string, first: number, last: number): void {
    const counts = this.#counts.get(id);
    for (const slot of counts?.keys() ?? []) {
      if (slot < first || slot > last) counts!.delete(slot);
    }
  }

  moveCounts(from: string, to: string): void {
    const counts = this.#counts.get(to) ?? new Map<number, number>();
    for (const [slot, count] of this.#counts.get(from) ?? []) {
      counts.set(slot, (counts.get(slot) ?? 0) + count);
    }
    this.#counts.delete(from);
    this.#counts.set(to, counts);
  }

  /** How many are there, by group and subscription. */
  members(): DeadLetterGroupCount[] {
    const counts = new Map<string, DeadLetterGroupCount>();
    for (const { number, record } of this.#dead.values()) {
      const group = this.#assigned.get(number);
      if (group === undefined) continue;
      const { subscription, topic, seq, id, reason } = record;
      const name = `${group}\n${subscription}`;
      const { count } = counts.get(name) ?? { count: 0 };
      const newest = { number, topic, seq, id, reason };
      counts.set(name, { group, subscription, count: count + 1, newest });
    }
    return [...counts.values()];
  }

  /** How many are in groups that are not open, by subscription. */
  closedCounts(): Map<string, number> {
    const counts = new Map<string, number>();
    for (const { number, record: { subscription } } of this.#dead.values()) {
      const group = this.#groups.get(this.groupOf(number) ?? "");
      if (group === undefined || group.state === "open") continue;
      counts.set(subscription, (counts.get(subscription) ?? 0) + 1);
    }
    return counts;
  }

  /** What was counted in the 24 hours before a period. */
  trend(end: number): GroupTrendCount[] {
    const sums: GroupTrendCount[] = [];
    for (const [group, counts] of this.#counts) {
      const hours = new Map<number, number>();
      for (const [slot, count] of counts) {
        const hour = Math.floor((end - 1 - slot) / SLOTS_PER_HOUR);
        if (hour >= 0 && hour < 24) hours.set(hour, (hours.get(hour) ?? 0) + count);
      }
      for (const [hour, count] of hours) sums.push({ group, hour, count });
    }
    return sums;
  }
}

function sorted(records: Iterable<GroupRecord>): GroupRecord[] {
  return [...records].sort((a, b) => a.id < b.id ? -1 : 1);
}

/** A dead letter as a member of a group. */
export function memberOf({ number, record }: NumberedDeadLetter): GroupMember {
  const { subscription, topic, seq, id, reason, diedAt } = record;
  return { number, subscription, topic, seq, id, reason, diedAt: Math.round(diedAt) };
}
