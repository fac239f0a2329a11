/**
 * Which group a dead letter belongs to, and what becomes of the group. Both states decide by these
 * rules, in the transaction of the dead letter; a {@link GroupTable} is where each keeps its groups.
 *
 * A group's id is made from its text, so that the same cause has the same id wherever it occurs and
 * whenever it comes back.
 */
import { crc32InScript } from "../base/checksum.ts";
import { defined } from "../base/defined.ts";
import {
  type DeadLetterGroupAct,
  type DeadLetterGroupNote,
  type DeadLetterGroupState,
  type DeadLetterSample,
  GROUP_SLOT_MS,
  GROUP_SLOTS,
  type LastGroupAct,
  MOST_GROUP_NOTES,
  MOST_GROUP_SAMPLES,
  MOST_GROUPS,
} from "../event/dead_letter_group.ts";
import { foldReason, foldReasonWholly } from "./reason.ts";
import { type EventIdentity, REDACTED } from "./redactions.ts";

/** A group as stored. */
export interface GroupRecord {
  id: string;
  /** What the reasons have in common; empty if it became a part of another group. */
  reason: string;
  /** The id of the text in which words and codes are replaced, too. */
  wide: string;
  /** It takes every cause with that text. */
  whole: boolean;
  /** The group that it became a part of. */
  merged?: string;
  /** Unix ms. */
  firstAt: number;
  lastAt: number;
  /** How many dead letters it ever had. */
  total: number;
  state: DeadLetterGroupState;
  /** It opens after so many more. */
  more?: number;
  act?: LastGroupAct;
  /** Oldest first. */
  notes: DeadLetterGroupNote[];
  /** Newest first; of different dead letters. */
  samples: DeadLetterSample[];
}

/** A dead letter that gets into a group. */
export interface GroupMember {
  /** Its number in the state. */
  number: number;
  subscription: string;
  topic: string;
  seq: number;
  id: string;
  reason: string;
  diedAt: number;
}

/** Where groups are kept. A group's dead letters are those that were assigned to it and are there. */
export interface GroupTable {
  get(id: string): GroupRecord | undefined;
  put(record: GroupRecord): void;
  /** Also forgets what was counted. */
  remove(id: string): void;
  all(): GroupRecord[];
  size(): number;
  /**
   * Of those without dead letters and parts, the one that can be spared: of which nothing was seen
   * for the longest time, those that {@link isTouched} after all others.
   */
  spare(): string | undefined;
  /** Those with this `wide`. */
  alike(wide: string): GroupRecord[];
  /** Assigns a dead letter, which may belong to another one. */
  assign(member: GroupMember, id: string): void;
  /** True if dead letters are there that were assigned to it. */
  isPresent(id: string): boolean;
  /** The dead letters of an event, each with the group that it was assigned to. */
  membersOf(event: EventIdentity): (GroupMember & { group: string | undefined })[];
  /** Counts one more in a period; returns true if it is the first. */
  count(id: string, slot: number): boolean;
  /** Forgets the periods before `first` and those after `last`. */
  trim(id: string, first: number, last: number): void;
  /** Adds what was counted of one group to another one. */
  moveCounts(from: string, to: string): void;
}

/** How many dead letters of a subscription are in a group. */
export interface DeadLetterGroupCount {
  /** As they were assigned: it may have become a part of another group. */
  group: string;
  subscription: string;
  count: number;
  newest: { number: number; topic: string; seq: number; id: string; reason: string };
}

/** How many dead letters a group got in one hour of the last 24. */
export interface GroupTrendCount {
  group: string;
  /** 0: the last hour. */
  hour: number;
  count: number;
}

/** One act of a person on a group. */
export interface GroupActChange {
  group: string;
  act: DeadLetterGroupAct;
  at: number;
  by?: string;
  /** Dismiss only. */
  more?: number;
}

/**
 * Up to this many causes may differ only in a word or a code; with more, that part is data, such as
 * names or short ids.
 */
const MOST_ALIKE = 20;
/** The text of the group for causes that have none of their own. */
const REST = "*";
/** Without letters that are easily taken for others. */
const DIGITS = "0123456789abcdefghjkmnpqrstvwxyz";
/** Digits of an id: 30 bits, so that two of a thousand causes have the same once in 2000 times. */
const ID_LENGTH = 6;

const encoder = new TextEncoder();

/** The id of the group with this text. */
export function groupId(text: string): string {
  let rest = crc32InScript(encoder.encode(text)) >>> 2;
  let id = "";
  for (let i = 0; i < ID_LENGTH; i++) {
    id = DIGITS[rest % 32] + id;
    rest = Math.floor(rest / 32);
  }
  return id;
}

/** The group that an id stands for: one that became a part of another stands for that one. */
export function groupUnder(table: GroupTable, id: string): GroupRecord | undefined {
  const there = table.get(id);
  return there?.merged === undefined ? there : table.get(there.merged);
}

/**
 * Puts a dead letter into its group. `known`: it was dead before, as one that is imported, so its
 * cause has not come back, unless it died since the last act on the group.
 */
export function addToGroup(
  table: GroupTable,
  member: GroupMember,
  { known = false }: { known?: boolean } = {},
): void {
  const before = groupFor(table, member);
  const isBack = !known || member.diedAt >= (before.act?.at ?? Infinity);
  const group = isBack ? returned(before, member.diedAt) : before;
  const { subscription, topic, seq, id, diedAt: at } = member;
  const others = group.samples.filter((sample) =>
    sample.subscription !== subscription || sample.topic !== topic || sample.id !== id
  );
  const samples = [{ subscription, topic, seq, id, at }, ...others].slice(0, MOST_GROUP_SAMPLES);
  const isFirst = group.total === 0;
  table.put({
    ...group,
    samples,
    firstAt: isFirst ? at : Math.min(group.firstAt, at),
    // A clock that was wrong once does not count for ever.
    lastAt: isFirst || !known ? at : Math.max(group.lastAt, at),
    total: group.total + 1,
  });
  table.assign(member, group.id);
  countIn(table, { id: group.id, at, newest: known ? Math.max(group.lastAt, at) : at });
}

/** Applies an act of a person. */
export function actOnGroup(
  table: GroupTable,
  { group: id, act, at, by, more }: GroupActChange,
): void {
  const there = groupUnder(table, id);
  if (!there) return;
  const { more: _more, ...group } = there;
  const state = act === "dismiss" ? "dismissed" : act === "resolve" ? "resolved" : "open";
  table.put({ ...group, state, ...defined({ more }), act: { act, at, ...defined({ by }) } });
}

/** Adds a note; the oldest ones give way. */
export function noteOnGroup(table: GroupTable, id: string, note: DeadLetterGroupNote): void {
  const group = groupUnder(table, id);
  if (group) table.put({ ...group, notes: [...group.notes, note].slice(-MOST_GROUP_NOTES) });
}

/**
 * Removes what groups may say of an event that is redacted. Its dead letters move to the group of
 * redacted ones. Notes of its groups go, because they may quote it. A text stays only if another
 * event has produced it, too.
 */
export function redactGroups(table: GroupTable, event: EventIdentity): void {
  const touched = new Set<string>();
  const redacted = groupId(foldReason(REDACTED));
  for (const member of table.membersOf(event)) {
    if (member.group !== undefined) {
      const group = groupUnder(table, member.group);
      if (group?.id === redacted) continue;
      touched.add(member.group);
      if (group) touched.add(group.id);
    }
    addToGroup(table, { ...member, reason: REDACTED }, { known: true });
  }
  for (const group of table.all()) {
    if (group.id === redacted) continue;
    const samples = group.samples.filter(({ topic, seq, id }) =>
      topic !== event.topic || seq !== event.seq || id !== event.id
    );
    if (samples.length === group.samples.length && !touched.has(group.id)) continue;
    if (samples.length > 0 || isThere(table, group)) table.put({ ...group, samples, notes: [] });
    else forget(table, group.id);
  }
}

/** The group for a dead letter; a new one has no dead letters yet. */
function groupFor(table: GroupTable, { reason, diedAt }: GroupMember): GroupRecord {
  const text = foldReason(reason);
  const id = groupId(text);
  const wideText = foldReasonWholly(text);
  const wide = groupId(wideText);
  const there = table.get(id);
  if (there) {
    // The text of what became a part is gone; what it became a part of tells.
    const isSame = there.merged === undefined ? there.reason === text : there.wide === wide;
    return isSame ? groupUnder(table, id)! : restOf(table, diedAt);
  }
  const found = table.get(wide);
  const whole = found?.reason === wideText ? found : undefined;
  if (whole?.whole) return whole;
  const alike = table.alike(wide).filter(({ merged, reason }) =>
    merged === undefined && foldReasonWholly(reason) === wideText
  );
  if (alike.length >= MOST_ALIKE) {
    if (found && !whole) return restOf(table, diedAt);
    const to = whole ?? newGroup({ id: wide, reason: wideText, wide, at: diedAt });
    if (whole || makeRoom(table)) return merged(table, to, alike);
  } else if (makeRoom(table)) return newGroup({ id, reason: text, wide, at: diedAt });
  return restOf(table, diedAt);
}

/**
 * The group for what has none of its own: there is no room for one, or another cause has its id, in
 * which this one would be hidden when a person dismisses that.
 */
function restOf(table: GroupTable, at: number): GroupRecord {
  const rest = groupId(REST);
  return table.get(rest) ?? newGroup({ id: rest, reason: REST, wide: rest, at });
}

function newGroup(
  { at, ...about }: { id: string; reason: string; wide: string; at: number },
): GroupRecord {
  const empty = { total: 0, state: "open", notes: [], samples: [], whole: false } as const;
  return { ...about, ...empty, notes: [], samples: [], firstAt: at, lastAt: at };
}

/**
 * Makes one group of those that differ only in what turned out to be data. What a person did
 * something about stays apart.
 */
function merged(
  table: GroupTable,
  to: GroupRecord,
  alike: readonly GroupRecord[],
): GroupRecord {
  const whole = { ...to, whole: true };
  for (const one of alike) {
    if (one.id === whole.id || isTouched(one)) continue;
    whole.firstAt = whole.total === 0 ? one.firstAt : Math.min(whole.firstAt, one.firstAt);
    whole.lastAt = whole.total === 0 ? one.lastAt : Math.max(whole.lastAt, one.lastAt);
    whole.total += one.total;
    whole.samples = [...whole.samples, ...one.samples]
      .sort((a, b) => b.at - a.at).slice(0, MOST_GROUP_SAMPLES);
    table.put({ ...one, merged: whole.id, reason: "", samples: [] });
    table.moveCounts(one.id, whole.id);
  }
  table.put(whole);
  return whole;
}

/** True if a person said or did something about it. */
export function isTouched({ state, notes, act }: GroupRecord): boolean {
  return state !== "open" || notes.length > 0 || act !== undefined;
}

/** The group when one more died of its cause. */
function returned(group: GroupRecord, at: number): GroupRecord {
  const { more, ...rest } = group;
  if (group.state === "open" || (group.state === "dismissed" && more === undefined)) return group;
  if (more !== undefined && more > 1) return { ...group, more: more - 1 };
  return { ...rest, state: "open", act: { act: "return", at } };
}

function countIn(
  table: GroupTable,
  { id, at, newest }: { id: string; at: number; newest: number },
): void {
  const [slot, last] = [Math.floor(at / GROUP_SLOT_MS), Math.floor(newest / GROUP_SLOT_MS)];
  const first = last - GROUP_SLOTS;
  // The first one of a period: others are over. One in the future is of a clock that was wrong.
  if (slot >= first && table.count(id, slot)) table.trim(id, first, last);
}

/** Makes room for one more group, by forgetting one; false if there is none to spare. */
function makeRoom(table: GroupTable): boolean {
  if (table.size() < MOST_GROUPS) return true;
  const spare = table.spare();
  if (spare !== undefined) table.remove(spare);
  return spare !== undefined;
}

/** True if dead letters are there of a group or of one that became a part of it. */
function isThere(table: GroupTable, { id }: GroupRecord): boolean {
  return table.isPresent(id) ||
    table.all().some(({ id: part, merged }) => merged === id && table.isPresent(part));
}

function forget(table: GroupTable, id: string): void {
  for (const part of table.all()) if (part.merged === id) table.remove(part.id);
  table.remove(id);
}
