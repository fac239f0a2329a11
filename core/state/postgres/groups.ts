/**
 * The groups of dead letters within one transaction in PostgreSQL. The rules of groups
 * (core/state/group_rules.ts) are synchronous, so what they may ask for is read before; the row of
 * the counter is locked until the commit, so that nobody else changes it meanwhile.
 */
import { GROUP_SLOT_MS } from "../../event/dead_letter_group.ts";
import {
  groupId,
  type GroupMember,
  type GroupRecord,
  type GroupTable,
  isTouched,
} from "../group_rules.ts";
import { foldReason, foldReasonWholly } from "../reason.ts";
import type { EventIdentity } from "../redactions.ts";
import type { Batches } from "./batches.ts";
import { listed, lists } from "./table_lists.ts";
import { GROUPS, TREND } from "./tables.ts";

/** A dead letter and the group that it was assigned to. */
export type AssignedMember = GroupMember & { group: string | undefined };

/** What is there when the transaction begins. */
export interface GroupsThere {
  groups: ReadonlyMap<string, GroupRecord>;
  /** The periods, among those that are asked for, in which dead letters were counted. */
  slots: readonly { cause: string; slot: number }[];
  /** How many dead letters each group has; absent where no rule asks. */
  present?: ReadonlyMap<string, number>;
}

/** Where the plan of a transaction has its dead letters. */
export interface Letters {
  /** Assigns one to a group. */
  assign(member: GroupMember, id: string): void;
  membersOf(event: EventIdentity): AssignedMember[];
}

/** A {@link GroupTable} of which the changes go into the batches of a transaction. */
export class PlannedGroups implements GroupTable {
  readonly groups: Map<string, GroupRecord>;
  readonly #changed = new Set<string>();
  readonly #batches: Batches;
  readonly #letters: Letters;
  readonly #slots = new Map<string, Set<number>>();
  readonly #present: Map<string, number> | undefined;
  /** What is to be added to a period, by group. */
  #counts = new Map<string, Map<number, number>>();

  constructor(there: GroupsThere, { batches, letters }: { batches: Batches; letters: Letters }) {
    this.groups = new Map(there.groups);
    this.#present = there.present && new Map(there.present);
    this.#batches = batches;
    this.#letters = letters;
    for (const { cause, slot } of there.slots) this.#slotsOf(cause).add(slot);
  }

  #slotsOf(id: string): Set<number> {
    let slots = this.#slots.get(id);
    if (!slots) this.#slots.set(id, slots = new Set());
    return slots;
  }

  get(id: string): GroupRecord | undefined {
    return this.groups.get(id);
  }

  put(record: GroupRecord): void {
    this.groups.set(record.id, record);
    this.#changed.add(record.id);
  }

  remove(id: string): void {
    this.groups.delete(id);
    this.#changed.delete(id);
    this.#counts.delete(id);
    this.#slots.delete(id);
    this.#batches.remove(GROUPS, { id });
    this.#batches.run([TREND], "DELETE FROM evs.dead_letter_trend WHERE cause = $1", [id]);
  }

  /** Writes what is to be written. */
  flush(): void {
    for (const id of this.#changed) this.#batches.put(GROUPS, groupRow(this.groups.get(id)!));
    this.#changed.clear();
    this.#flushCounts();
  }

  all(): GroupRecord[] {
    return sorted(this.groups.values());
  }

  size(): number {
    return this.groups.size;
  }

  spare(): string | undefined {
    const inUse = new Set(this.groups.values().map(({ merged }) => merged));
    const [spare] = this.all()
      .filter(({ id }) => !inUse.has(id) && !this.isPresent(id))
      .sort((a, b) => Number(isTouched(a)) - Number(isTouched(b)) || a.lastAt - b.lastAt);
    return spare?.id;
  }

  alike(wide: string): GroupRecord[] {
    return sorted(this.groups.values().filter((group) => group.wide === wide));
  }

  assign(member: GroupMember, id: string): void {
    this.#letters.assign(member, id);
    this.moved(undefined, id);
  }

  /** A dead letter left a group, or came into one. */
  moved(from: string | undefined, to: string | undefined): void {
    const add = (id: string | undefined, count: number) => {
      if (id !== undefined) this.#present?.set(id, (this.#present.get(id) ?? 0) + count);
    };
    add(from, -1);
    add(to, 1);
  }

  isPresent(id: string): boolean {
    return (this.#present?.get(id) ?? 0) > 0;
  }

  membersOf(event: EventIdentity): AssignedMember[] {
    return this.#letters.membersOf(event);
  }

  count(id: string, slot: number): boolean {
    const counts = this.#counts.get(id) ?? new Map<number, number>();
    this.#counts.set(id, counts.set(slot, (counts.get(slot) ?? 0) + 1));
    const slots = this.#slotsOf(id);
    const isFirst = !slots.has(slot);
    slots.add(slot);
    return isFirst;
  }

  trim(id: string, first: number, last: number): void {
    this.#flushCounts();
    const slots = this.#slotsOf(id);
    for (const slot of slots) if (slot < first || slot > last) slots.delete(slot);
    this.#batches.run(
      [TREND],
      "DELETE FROM evs.dead_letter_trend WHERE cause = $1 AND (slot < $2 OR slot > $3)",
      [id, first, last],
    );
  }

  moveCounts(from: string, to: string): void {
    this.#flushCounts();
    for (const slot of this.#slotsOf(from)) this.#slotsOf(to).add(slot);
    this.#slots.delete(from);
    this.#batches.run(
      [TREND],
      `INSERT INTO evs.dead_letter_trend AS one
       SELECT $2, slot, count FROM evs.dead_letter_trend WHERE cause = $1
       ON CONFLICT (cause, slot) DO UPDATE SET count = one.count + excluded.count`,
      [from, to],
    );
    this.#batches.run([TREND], "DELETE FROM evs.dead_letter_trend WHERE cause = $1", [from]);
  }

  #flushCounts(): void {
    const rows = [...this.#counts].flatMap(([cause, counts]) =>
      Array.from(counts, ([slot, count]) => ({ cause, slot, count }))
    );
    this.#counts = new Map();
    if (rows.length === 0) return;
    this.#batches.run(
      [TREND],
      `INSERT INTO evs.dead_letter_trend AS one SELECT * FROM ${listed(TREND.columns, "asked")}
       ON CONFLICT (cause, slot) DO UPDATE SET count = one.count + excluded.count`,
      lists(TREND.columns, rows),
    );
  }
}

/** What is known of reasons before they are grouped: the ids of groups that may take them. */
export function candidatesOf(
  reasons: Iterable<string>,
  groups: ReadonlyMap<string, GroupRecord>,
): Set<string> {
  const ids = new Set([groupId("*")]);
  const wides = new Set<string>();
  for (const reason of new Set(reasons)) {
    const text = foldReason(reason);
    ids.add(groupId(text));
    wides.add(groupId(foldReasonWholly(text)));
  }
  for (const wide of wides) ids.add(wide);
  for (const group of groups.values()) {
    if (wides.has(group.wide)) ids.add(group.id);
    if (group.merged !== undefined && ids.has(group.id)) ids.add(group.merged);
  }
  return ids;
}

/** The period of a time. */
export function slotOf(at: number): number {
  return Math.floor(at / GROUP_SLOT_MS);
}

function sorted(records: Iterable<GroupRecord>): GroupRecord[] {
  return [...records].sort((a, b) => a.id < b.id ? -1 : 1);
}

function groupRow(record: GroupRecord) {
  return {
    id: record.id,
    reason: record.reason,
    wide: record.wide,
    whole: record.whole,
    merged: record.merged ?? null,
    first_at: Math.round(record.firstAt),
    last_at: Math.round(record.lastAt),
    total: record.total,
    state: record.state,
    more: record.more ?? null,
    act: record.act ? JSON.stringify(record.act) : null,
    notes: JSON.stringify(record.notes),
    samples: JSON.stringify(record.samples),
  };
}
