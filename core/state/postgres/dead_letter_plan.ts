/**
 * The dead letters of one transaction in PostgreSQL, and what becomes of their groups. It begins by
 * locking the counter of dead letters, so that their numbers become visible in their order and one
 * transaction at a time changes groups; then it reads what the rules of groups may ask for.
 */
import { MOST_GROUPS } from "../../event/dead_letter_group.ts";
import {
  actOnGroup,
  addToGroup,
  type GroupMember,
  type GroupRecord,
  noteOnGroup,
  redactGroups,
} from "../group_rules.ts";
import { searchText } from "../reason.ts";
import { type EventIdentity, REDACTED, withoutTexts } from "../redactions.ts";
import { groupMemberOf, groupOf, type Row } from "../rows.ts";
import type { Attempt, ChangeOf, StateChange } from "../state.ts";
import type { Batches } from "./batches.ts";
import { listed, lists } from "./table_lists.ts";
import { eventColumns, eventKey } from "./changes.ts";
import { type AssignedMember, candidatesOf, PlannedGroups, slotOf } from "./groups.ts";
import { DEAD_LETTERS } from "./tables.ts";
import type { Query } from "../../postgres/connection.ts";
import { plainRow } from "./values.ts";

/** The groups as of the last transaction of this process that changed them. */
export interface KnownGroups {
  rev: number;
  groups: ReadonlyMap<string, GroupRecord>;
}

interface Name {
  subscription: string;
  topic: string;
  id: string;
}

/** One that was there before, as far as the rules need it. */
interface Letter extends GroupMember {
  group: string | undefined;
  attempts: readonly Attempt[];
}

/** What was read before the changes. */
interface Read {
  number: number;
  rev: number;
  groups: ReadonlyMap<string, GroupRecord>;
  slots: { cause: string; slot: number }[];
  present: Map<string, number> | undefined;
  letters: Letter[];
}

const TOUCHED =
  `dead_letters.subscription, dead_letters.topic, dead_letters.id, number, seq, reason,
  died_at, attempts, cause FROM evs.dead_letters`;
const NAME = { subscription: "text", topic: "text", id: "text" } as const;
const IDENTITY = { topic: "text", seq: "bigint", id: "text" } as const;

/** The dead letters and groups of one transaction. */
export class DeadLetterPlan {
  readonly #batches: Batches;
  readonly #groups: PlannedGroups;
  /** Those that were read or put, by name. */
  readonly #letters = new Map<string, Letter>();
  readonly #rev: number;
  #number: number;

  private constructor(batches: Batches, read: Read) {
    this.#batches = batches;
    this.#number = read.number;
    this.#rev = read.rev;
    for (const letter of read.letters) this.#letters.set(nameOf(letter), letter);
    this.#groups = new PlannedGroups(read, {
      batches,
      letters: {
        assign: (member, id) => this.#assign(member, id),
        membersOf: (event) => this.#membersOf(event),
      },
    });
  }

  /** Locks and reads; `known` saves reading the groups again. */
  static async begin(
    query: Query,
    { changes, batches, known }: {
      changes: readonly StateChange[];
      batches: Batches;
      known: KnownGroups | undefined;
    },
  ): Promise<DeadLetterPlan> {
    const [counter] = (await query(
      "SELECT value AS number, rev FROM evs.counters WHERE name = 'dead_letters' FOR UPDATE",
    )).map(plainRow);
    const [number, rev] = [counter!["number"] as number, counter!["rev"] as number];
    const groups = known?.rev === rev ? known.groups : await readGroups(query);
    const needsPresence = changes.some(({ op }) => op === "event.redact") ||
      groups.size + changes.filter(({ op }) => op === "dead.put").length >= MOST_GROUPS;
    return new DeadLetterPlan(batches, {
      number,
      rev,
      groups,
      slots: await readSlots(query, changes, groups),
      present: needsPresence ? await readPresence(query) : undefined,
      letters: needsPresence ? await readLetters(query, changes) : [],
    });
  }

  /** What is known of groups once the transaction is committed. */
  get known(): KnownGroups {
    return { rev: this.#rev + 1, groups: this.#groups.groups };
  }

  put(change: ChangeOf<"dead.put">): void {
    const { record } = change;
    this.removed(record);
    const number = ++this.#number;
    const diedAt = Math.round(record.diedAt);
    this.#batches.put(DEAD_LETTERS, {
      ...eventColumns(record),
      number,
      reason: record.reason,
      reason_folded: searchText(record.reason),
      died_at: diedAt,
      attempts: JSON.stringify(record.attempts),
      last_attempt: record.attempts.at(-1)?.attempt ?? 0,
      line: record.line,
      edited_from: record.editedFrom ?? null,
      edited_as: record.editedAs ?? null,
      cause: null,
    });
    const { subscription, topic, seq, id, reason, attempts } = record;
    const member = { number, subscription, topic, seq, id, reason, diedAt };
    this.#letters.set(nameOf(record), { ...member, attempts, group: undefined });
    addToGroup(this.#groups, member, change);
  }

  /** One is removed; `number`: if it is this one. */
  removed(name: Name, number?: number): void {
    const there = this.#letters.get(nameOf(name));
    if (!there || (number !== undefined && there.number !== number)) return;
    this.#letters.delete(nameOf(name));
    this.#groups.moved(there.group, undefined);
  }

  act(change: ChangeOf<"group.act">): void {
    actOnGroup(this.#groups, change);
  }

  note({ group, note }: ChangeOf<"group.note">): void {
    noteOnGroup(this.#groups, group, note);
  }

  redact(change: ChangeOf<"event.redact">): void {
    const { key = null, line } = change;
    redactGroups(this.#groups, change);
    for (const letter of this.#of(change)) {
      const attempts = withoutTexts(letter.attempts);
      this.#letters.set(nameOf(letter), { ...letter, attempts, reason: REDACTED });
      this.#batches.change(DEAD_LETTERS, eventKey(letter), {
        key,
        line,
        reason: REDACTED,
        reason_folded: REDACTED,
        attempts: JSON.stringify(attempts),
      });
    }
  }

  /** All changes are made. */
  end(): void {
    this.#groups.flush();
    this.#batches.run(
      [],
      "UPDATE evs.counters SET value = $1, rev = $2 WHERE name = 'dead_letters'",
      [this.#number, this.#rev + 1],
    );
  }

  #assign(member: GroupMember, id: string): void {
    this.#batches.change(DEAD_LETTERS, eventKey(member), { cause: id });
    const there = this.#letters.get(nameOf(member));
    if (!there) return;
    this.#groups.moved(there.group, undefined);
    this.#letters.set(nameOf(member), { ...there, group: id });
  }

  #membersOf(event: EventIdentity): AssignedMember[] {
    return this.#of(event).map(({ attempts: _attempts, ...member }) => member);
  }

  #of({ topic, seq, id }: EventIdentity): Letter[] {
    return [...this.#letters.values()]
      .filter((one) => one.topic === topic && one.seq === seq && one.id === id)
      .sort((a, b) => a.number - b.number);
  }
}

function nameOf({ subscription, topic, id }: Name): string {
  return `${subscription}\n${topic}\n${id}`;
}

/** All groups, by id. */
async function readGroups(query: Query): Promise<Map<string, GroupRecord>> {
  const rows = await query("SELECT * FROM evs.dead_letter_groups");
  return new Map(rows.map((row) => {
    const group = groupOf(plainRow(row));
    return [group.id, group];
  }));
}

async function readSlots(
  query: Query,
  changes: readonly StateChange[],
  groups: ReadonlyMap<string, GroupRecord>,
): Promise<{ cause: string; slot: number }[]> {
  const put = changes.flatMap((change) => change.op === "dead.put" ? [change.record] : []);
  if (put.length === 0) return [];
  const causes = candidatesOf(put.map(({ reason }) => reason), groups);
  const slots = new Set(put.map(({ diedAt }) => slotOf(Math.round(diedAt))));
  const rows = [...causes].flatMap((cause) => Array.from(slots, (slot) => ({ cause, slot })));
  const columns = { cause: "text", slot: "bigint" } as const;
  const found = await query(
    `SELECT cause, slot FROM evs.dead_letter_trend JOIN ${
      listed(columns, "asked")
    } USING (cause, slot)`,
    lists(columns, rows),
  );
  return found.map(plainRow) as unknown as { cause: string; slot: number }[];
}

async function readPresence(query: Query): Promise<Map<string, number>> {
  const rows = await query(
    "SELECT cause, count(*) AS n FROM evs.dead_letters WHERE cause IS NOT NULL GROUP BY cause",
  );
  return new Map(rows.map(plainRow).map((row) => [row["cause"] as string, row["n"] as number]));
}

/** Those that the changes name, and those of the events that are redacted. */
async function readLetters(query: Query, changes: readonly StateChange[]): Promise<Letter[]> {
  const names: Name[] = [];
  const events: EventIdentity[] = [];
  for (const change of changes) {
    if (change.op === "dead.put") names.push(eventKey(change.record));
    else if (change.op === "dead.remove") names.push(eventKey(change));
    else if (change.op === "dead.expire") names.push(eventKey(change.key));
    else if (change.op === "dead.retry") {
      for (const id of change.ids) names.push(eventKey({ ...change, id }));
    } else if (change.op === "event.redact") {
      events.push({ topic: change.topic, seq: change.seq, id: change.id });
    }
  }
  const named = await query(
    `SELECT ${TOUCHED} JOIN ${listed(NAME, "asked")} USING (subscription, topic, id)`,
    lists(NAME, names.map((name) => ({ ...name }))),
  );
  const redacted = await query(
    `SELECT ${TOUCHED} JOIN ${listed(IDENTITY, "asked")} USING (topic, seq, id)`,
    lists(IDENTITY, events.map((event) => ({ ...event }))),
  );
  return [...named, ...redacted].map((row) => letterOf(plainRow(row)));
}

function letterOf(row: Row): Letter {
  return {
    ...groupMemberOf(row),
    attempts: JSON.parse(row["attempts"] as string),
    group: row["cause"] as string | null ?? undefined,
  };
}
