/**
 * The groups of dead letters by cause: a few lines instead of hundreds of entries, and what people
 * did about each. Which dead letter belongs to which group is decided in the state, together with
 * the dead letter (core/state/group_rules.ts).
 */
import type { Clock } from "../base/clock.ts";
import { defined } from "../base/defined.ts";
import type { ActOptions, AuditAct } from "../event/audit.ts";
import { InvalidArgumentError, NotFoundError } from "../base/errors.ts";
import { allReady, type MaybePromise, whenReady } from "../base/maybe_promise.ts";
import { assertText, refuseUnknown } from "../base/options.ts";
import type { DeadLetterFilter } from "../event/dead_letter_filter.ts";
import {
  type DeadLetterGroupAct,
  GROUP_LISTS,
  GROUP_SLOT_MS,
  LONGEST_GROUP_NOTE,
  MOST_GROUP_MORE,
} from "../event/dead_letter_group.ts";
import { checkRedaction, keptText } from "../event/redaction.ts";
import type {
  DeadLetterGroup,
  DeadLetterGroupBy,
  DeadLetterGroupDetail,
  DeadLetterGroupQuery,
  DeadLetterGroups,
  DismissOptions,
} from "../protocol/dead_letter_groups.ts";
import { audited, byLibrary } from "../state/audited.ts";
import type { GroupRecord } from "../state/group_rules.ts";
import type { DeadLetterGroupCount, GroupTrendCount, State } from "../state/state.ts";

/** Entries per page; other work runs between pages. */
const PAGE = 500;
const HOURS = 24;
const BY: readonly string[] = ["by"];
const FILTERS: readonly string[] = [
  "state",
  "subscription",
  "topic",
  "type",
  "key",
  "reason",
  "group",
  "since",
  "before",
];

/** What is there of a group. */
interface There {
  count: number;
  subscriptions: Set<string>;
  newest: number;
  example?: DeadLetterGroup["example"];
}

/** The groups in a state. */
export class StateDeadLetterGroups implements DeadLetterGroups {
  readonly #state: State;
  readonly #clock: Pick<Clock, "now">;

  constructor(state: State, clock: Pick<Clock, "now">) {
    this.#state = state;
    this.#clock = clock;
  }

  async list(query: DeadLetterGroupQuery = {}): Promise<DeadLetterGroup[]> {
    refuseUnknown(query, { of: "deadLetterGroups.list", known: FILTERS });
    const { state: listed = "open", ...rest } = query;
    if (!GROUP_LISTS.includes(listed)) {
      throw new InvalidArgumentError(`state is one of ${GROUP_LISTS.join(", ")}, not ${listed}`, {
        details: { field: "state" },
      });
    }
    const filter = await this.named(defined(rest) as DeadLetterFilter);
    const isFiltered = Object.keys(filter).length > 0;
    const { subscription, ...others } = filter;
    const rows = Object.keys(others).length > 0
      ? await this.#matching(filter)
      : (await this.#state.deadLetterGroupCounts())
        .filter((one) => subscription === undefined || one.subscription === subscription);
    const trend = await this.#trend();
    const records = await this.#state.deadLetterGroups();
    const { there, hours } = sums({ rows, trend, records });
    return records
      .filter(({ id, merged, state }) => {
        if (merged !== undefined || (isFiltered && !there.has(id))) return false;
        return listed === "all" || (state === listed && (state !== "open" || there.has(id)));
      })
      .map((record) => groupOf(record, { there: there.get(record.id), hours: hours(record.id) }))
      .sort((a, b) => b.count - a.count || (a.reason < b.reason ? -1 : 1));
  }

  async get(id: string): Promise<DeadLetterGroupDetail> {
    const rows = await this.#state.deadLetterGroupCounts();
    const trend = await this.#trend();
    const records = await this.#state.deadLetterGroups();
    const record = groupIn(records, id);
    const { there, hours } = sums({ rows, trend, records });
    const { notes, samples } = record;
    const counts = await allReady(samples.map(({ subscription, topic, id }) => {
      const ids = [`${subscription}:${id}`];
      return this.#state.countDeadLetters({ ids, topic, group: record.id });
    }));
    return {
      ...groupOf(record, { there: there.get(record.id), hours: hours(record.id) }),
      notes,
      samples: samples.map((sample, i) => ({ ...sample, present: counts[i]! > 0 })),
    };
  }

  async note(
    id: string,
    text: string,
    options: DeadLetterGroupBy = {},
    { act }: ActOptions = byLibrary(this.#clock),
  ): Promise<DeadLetterGroupDetail> {
    const by = byOf("note", options);
    const note = { at: this.#now(), ...defined({ by }), text: noteText(text) };
    const group = (await this.#require(id)).id;
    const audit = audited(act, { act: "group.note", details: { group, by } });
    await this.#state.commit([{ op: "group.note", group, note }, ...audit]);
    return await this.get(group);
  }

  async dismiss(
    id: string,
    options: DismissOptions = {},
    how?: ActOptions,
  ): Promise<DeadLetterGroupDetail> {
    const { more, ...rest } = options;
    if (more !== undefined && !(Number.isInteger(more) && more >= 1 && more <= MOST_GROUP_MORE)) {
      throw new InvalidArgumentError(
        `more is a whole number from 1 to ${MOST_GROUP_MORE}, not ${more}`,
        { details: { field: "more" } },
      );
    }
    return await this.#act(id, "dismiss", { more, options: rest, how });
  }

  resolve(
    id: string,
    options: DeadLetterGroupBy = {},
    how?: ActOptions,
  ): Promise<DeadLetterGroupDetail> {
    return this.#act(id, "resolve", { options, how });
  }

  reopen(
    id: string,
    options: DeadLetterGroupBy = {},
    how?: ActOptions,
  ): Promise<DeadLetterGroupDetail> {
    return this.#act(id, "reopen", { options, how });
  }

  /** The dead letters per subscription that are in open groups. */
  openCounts(): MaybePromise<Map<string, number>> {
    const counted = allReady([
      this.#state.closedDeadLetterCounts(),
      this.#state.deadLetterCounts(),
    ]);
    return whenReady(counted, ([closed, all]) => {
      const open = new Map(all);
      for (const [subscription, count] of closed!) {
        // Some may have gone between the two counts.
        open.set(subscription, Math.max(0, (open.get(subscription) ?? 0) - count));
      }
      return open;
    });
  }

  /**
   * A filter with the group that its id stands for: one may have become a part of another. Throws
   * or rejects with `NotFoundError` if there is none.
   */
  named<F extends DeadLetterFilter>(filter: F): MaybePromise<F> {
    const { group } = filter;
    if (group === undefined) return filter;
    return whenReady(this.#require(group), ({ id }) => ({ ...filter, group: id }));
  }

  async #act(
    id: string,
    act: DeadLetterGroupAct,
    { more, options, how }: {
      more?: number | undefined;
      options: DeadLetterGroupBy;
      how: ActOptions | undefined;
    },
  ): Promise<DeadLetterGroupDetail> {
    const by = byOf(act, options);
    const group = (await this.#require(id)).id;
    const change = { group, act, at: this.#now(), ...defined({ by, more }) };
    const audit = audited((how ?? byLibrary(this.#clock)).act, {
      act: `group.${act}` satisfies AuditAct,
      details: { group, by, more },
    });
    await this.#state.commit([{ op: "group.act", ...change }, ...audit]);
    return await this.get(group);
  }

  #require(id: string): MaybePromise<GroupRecord> {
    return whenReady(this.#state.deadLetterGroups(), (records) => groupIn(records, id));
  }

  #now(): number {
    return Math.round(this.#clock.now());
  }

  #trend(): MaybePromise<GroupTrendCount[]> {
    return this.#state.deadLetterTrend(Math.floor(this.#now() / GROUP_SLOT_MS) + 1);
  }

  /** Those that match. Other work runs between pages. */
  async #matching(filter: DeadLetterFilter): Promise<DeadLetterGroupCount[]> {
    const rows: DeadLetterGroupCount[] = [];
    let after: string | undefined;
    let newer = Number.MAX_SAFE_INTEGER;
    do {
      const page = await this.#state.deadLetters(filter, { limit: PAGE, after });
      for (const { group, subscription, topic, seq, id, reason } of page.records) {
        const newest = { number: newer--, topic, seq, id, reason };
        if (group !== undefined) rows.push({ group, subscription, count: 1, newest });
      }
      after = page.next;
      if (after !== undefined) await new Promise((resolve) => setTimeout(resolve, 0));
    } while (after !== undefined);
    return rows;
  }
}

/** The group with this id, or the one that it has become a part of. Throws `NotFoundError`. */
function groupIn(groups: readonly GroupRecord[], id: string): GroupRecord {
  const wanted = assertText(id, "the id of a group").toLowerCase();
  const records = new Map(groups.map((record) => [record.id, record]));
  const found = records.get(wanted);
  const record = found?.merged === undefined ? found : records.get(found.merged);
  if (record) return record;
  throw new NotFoundError("dead-letter-group", `there is no group ${id} of dead letters`, {
    hint: "evs dlq groups --state all shows those that there are",
    details: { group: id },
  });
}

/**
 * What there is of each group, and the counts of its last 24 hours, the last hour last. The records
 * are read after what is counted: a group may become a part of another one in between, and what was
 * counted of it belongs to that one.
 */
function sums({ rows, trend, records }: {
  rows: readonly DeadLetterGroupCount[];
  trend: readonly GroupTrendCount[];
  records: readonly GroupRecord[];
}): { there: Map<string, There>; hours(id: string): number[] } {
  const parts = new Map(records.map(({ id, merged }) => [id, merged]));
  const wholeOf = (group: string) => parts.get(group) ?? group;
  const there = new Map<string, There>();
  for (const row of rows) add(there, { ...row, group: wholeOf(row.group) });
  const counts = new Map<string, number[]>();
  for (const { group, hour, count } of trend) {
    const row = counts.get(wholeOf(group)) ?? Array<number>(HOURS).fill(0);
    counts.set(wholeOf(group), row);
    row[HOURS - 1 - hour]! += count;
  }
  return { there, hours: (id) => counts.get(id) ?? Array<number>(HOURS).fill(0) };
}

function add(
  there: Map<string, There>,
  { group, subscription, count, newest }: DeadLetterGroupCount,
): void {
  const one = there.get(group) ?? { count: 0, subscriptions: new Set(), newest: 0 };
  there.set(group, one);
  one.count += count;
  one.subscriptions.add(subscription);
  const { number, ...example } = newest;
  if (number <= one.newest) return;
  one.newest = number;
  one.example = { ...example, subscription };
}

function groupOf(
  record: GroupRecord,
  { there, hours }: { there: There | undefined; hours: number[] },
): DeadLetterGroup {
  const { id, reason, state, total, firstAt, lastAt, notes, act, more } = record;
  return {
    id,
    reason,
    state,
    count: there?.count ?? 0,
    total,
    firstAt,
    lastAt,
    hour: hours.at(-1)!,
    day: hours.reduce((sum, count) => sum + count, 0),
    hours,
    subscriptions: [...there?.subscriptions ?? []].sort(),
    ...defined({ example: there?.example }),
    noted: notes.length,
    ...defined({ act, more }),
  };
}

function byOf(of: string, options: DeadLetterGroupBy): string | undefined {
  refuseUnknown(options, { of: `deadLetterGroups.${of}`, known: BY });
  checkRedaction(options);
  return keptText(options.by);
}

/** The text of a note as it is kept. Throws `InvalidArgumentError` if it is too long, or blank. */
export function noteText(given: string): string {
  const text = keptText(assertText(given, "the text of a note"))!.trim();
  const length = [...text].length;
  if (length >= 1 && length <= LONGEST_GROUP_NOTE) return text;
  throw new InvalidArgumentError(
    `a note has 1 to ${LONGEST_GROUP_NOTE} characters, and this one ${length}`,
    { hint: 'evs dlq note GROUP "what was found out"', details: { field: "text" } },
  );
}
