/**
 * Groups of dead letters, as both states keep them: whatever happens to dead letters, the groups
 * count them, open again when they come back, stay bounded, and forget what was redacted.
 */
import assert from "node:assert/strict";
import fc from "../../packages/fast_check.ts";
import { dose } from "../../helpers/dose.ts";
import { MOST_GROUP_NOTES, MOST_GROUPS } from "../../../core/event/dead_letter_group.ts";
import { groupId, type GroupRecord } from "../../../core/state/group_rules.ts";
import { MemoryState } from "../../../core/state/memory.ts";
import { foldReason } from "../../../core/state/reason.ts";
import { SqliteState } from "../../../core/state/sqlite.ts";
import type { State, StateChange } from "../../../core/state/state.ts";
import { line, present, put } from "./group_letters.ts";

/** Words that stay as they are when reasons are grouped. */
function letters(i: number): string {
  return String(i).replace(/\d/g, (digit) => "abcdefghij"[Number(digit)]!);
}

/** Runs the body with a state of each kind. `again` closes a state and opens what it kept. */
function onBoth(
  what: string,
  body: (state: State, again: () => Promise<State>) => Promise<void>,
): void {
  Deno.test(`MemoryState ${what}`, async () => {
    const state = new MemoryState();
    await body(state, () => Promise.resolve(state));
  });
  Deno.test(`SqliteState ${what}`, () =>
    onDisk(async (open) => {
      let state = open();
      try {
        await body(state, async () => {
          await state.close();
          return state = open();
        });
      } finally {
        await state.close();
      }
    }));
}

async function onDisk(body: (open: () => SqliteState) => Promise<void>): Promise<void> {
  const dir = await Deno.makeTempDir();
  try {
    await body(() => new SqliteState(`${dir}/state.db`));
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
}

const reasons = ["timed out after 5 ms", "exit code 3", "refused: 'a'", "no route"] as const;
const ids = ["a", "b", "c", "d", "e"] as const;
const reason = fc.constantFrom(...reasons);
const id = fc.constantFrom(...ids);
const group = reason.map((text) => groupId(foldReason(text)));

const change: fc.Arbitrary<StateChange> = fc.oneof(
  { weight: 4, arbitrary: fc.tuple(id, reason).map(([id, reason]) => put(id, reason)) },
  fc.tuple(id, reason).map(([id, reason]) => ({ ...put(id, reason), known: true } as StateChange)),
  id.map((id): StateChange => ({ op: "dead.remove", subscription: "s", topic: "t", id })),
  fc.subarray([...ids]).map((ids): StateChange => {
    return { op: "dead.retry", subscription: "s", topic: "t", ids, to: "s", dueAt: 1 };
  }),
  id.map((id): StateChange => {
    return { op: "event.redact", topic: "t", seq: 1, id, key: undefined, line };
  }),
  fc.record({
    op: fc.constant("group.act" as const),
    group,
    act: fc.constantFrom("resolve", "reopen"),
    at: fc.constant(9),
  }),
  fc.tuple(group, fc.integer({ min: 0, max: 3 })).map(([group, more]): StateChange => {
    const change = { op: "group.act", group, act: "dismiss", at: 9 } as const;
    return more === 0 ? change : { ...change, more };
  }),
  group.map((group): StateChange => ({ op: "group.note", group, note: { at: 9, text: "hm" } })),
);

interface ModelGroup {
  total: number;
  state: "open" | "dismissed" | "resolved";
  more: number | undefined;
  notes: number;
  events: Set<string>;
}

/** What groups are, said once more and simply. */
class Model {
  readonly dead = new Map<string, string>();
  readonly groups = new Map<string, ModelGroup>();

  apply(change: StateChange): void {
    switch (change.op) {
      case "dead.put":
        return this.#put(change.record.id, groupId(foldReason(change.record.reason)), change.known);
      case "dead.remove":
        return void this.dead.delete(change.id);
      case "dead.retry":
        return change.ids.forEach((id) => this.dead.delete(id));
      case "group.act":
      case "group.note":
        return this.#act(change);
      case "event.redact":
        return this.#redact(change.id);
    }
  }

  #put(id: string, name: string, known = false): void {
    const empty = { total: 0, state: "open", more: undefined, notes: 0 } as const;
    const group = this.groups.get(name) ?? { ...empty, events: new Set<string>() };
    this.groups.set(name, group);
    this.dead.set(id, name);
    group.total++;
    group.events.add(id);
    if (known) return;
    if (group.more !== undefined) group.more--;
    if (group.state === "resolved" || group.more === 0) {
      Object.assign(group, { state: "open", more: undefined });
    }
  }

  #act(change: StateChange & { op: "group.act" | "group.note" }): void {
    const group = this.groups.get(change.group);
    if (!group) return;
    if (change.op === "group.note") {
      group.notes = Math.min(MOST_GROUP_NOTES, group.notes + 1);
      return;
    }
    const states = { dismiss: "dismissed", resolve: "resolved", reopen: "open" } as const;
    group.state = states[change.act];
    group.more = change.more;
  }

  #redact(id: string): void {
    const redacted = groupId("redacted");
    const before = this.dead.get(id);
    if (before !== undefined && before !== redacted) this.#put(id, redacted, true);
    for (const [name, group] of this.groups) {
      if (name === redacted || !group.events.delete(id)) continue;
      group.notes = 0;
      const isThere = [...this.dead.values()].includes(name);
      if (group.events.size === 0 && !isThere) this.groups.delete(name);
    }
  }
}

function assertAgrees(state: State, model: Model): void {
  const groups = state.deadLetterGroups().map((group) => {
    const { total, more, notes, samples } = group;
    const about = { total, state: group.state, more, notes: notes.length };
    return [group.id, { ...about, events: samples.map(({ id }) => id).sort() }];
  });
  assert.deepEqual(
    Object.fromEntries(groups),
    Object.fromEntries(
      Array.from(model.groups, ([name, group]) => [
        name,
        { ...group, events: [...group.events].sort() },
      ]),
    ),
  );
  const counts: Record<string, number> = {};
  for (const name of model.dead.values()) counts[name] = (counts[name] ?? 0) + 1;
  assert.deepEqual(present(state), counts);
  for (const name of model.groups.keys()) {
    assert.equal(state.countDeadLetters({ group: name }), counts[name] ?? 0);
  }
}

Deno.test("MemoryState and SqliteState agree with a model of groups, whatever happens to dead letters", () =>
  fc.assert(
    fc.asyncProperty(
      fc.array(fc.array(change, { maxLength: 6 }), { maxLength: 8 }),
      (commits) =>
        onDisk(async (open) => {
          const memory = new MemoryState();
          const model = new Model();
          let disk = open();
          try {
            for (const changes of commits) {
              changes.forEach((change) => model.apply(change));
              await memory.commit(changes);
              disk.commitSync(changes, { sync: false });
              assertAgrees(memory, model);
              assertAgrees(disk, model);
            }
            disk.closeSync();
            disk = open();
            assertAgrees(disk, model);
          } finally {
            disk.closeSync();
          }
        }),
    ),
    { numRuns: dose(30) },
  ));

onBoth(
  "opens a resolved group when it comes back, and a dismissed one after as many as were said",
  async (state, again) => {
    const a = groupId("down");
    const act = (act: "resolve" | "dismiss", more?: number): StateChange => {
      const change = { op: "group.act", group: a, act, at: 5, by: "anna" } as const;
      return more === undefined ? change : { ...change, more };
    };
    const only = () => {
      const [{ state: is, more, act, total }] = state.deadLetterGroups() as [GroupRecord];
      return { is, more, act: act?.act, total };
    };
    await state.commit([put("1", "down"), act("resolve")]);
    assert.deepEqual(only(), { is: "resolved", more: undefined, act: "resolve", total: 1 });
    state = await again();
    await state.commit([{ ...put("0", "down"), known: true } as StateChange]);
    assert.equal(only().is, "resolved", "an import is no return");
    await state.commit([put("1", "down", 77)]);
    assert.deepEqual(only(), { is: "open", more: undefined, act: "return", total: 3 });
    assert.equal(state.deadLetterGroups()[0]!.act!.at, 77);
    await state.commit([act("dismiss"), put("2", "down"), put("3", "down")]);
    assert.equal(only().is, "dismissed");
    await state.commit([act("dismiss", 2), put("4", "down")]);
    assert.deepEqual(only(), { is: "dismissed", more: 1, act: "dismiss", total: 6 });
    state = await again();
    await state.commit([put("5", "down")]);
    assert.deepEqual(only(), { is: "open", more: undefined, act: "return", total: 7 });
  },
);

onBoth(
  "counts the dead letters of a group by hour, and forgets what is over",
  async (state, again) => {
    const hour = 3_600_000;
    const now = 500_000 * hour;
    const trend = () => {
      const end = Math.floor(now / 600_000) + 1;
      return state.deadLetterTrend(end).map(({ hour, count }) => [hour, count])
        .sort(([a], [b]) => a! - b!);
    };
    await state.commit([
      put("a", "down", now - 30 * hour),
      put("b", "down", now - 23 * hour),
      put("c", "down", now - hour),
      put("d", "down", now - 1),
      put("e", "down", now),
    ]);
    assert.deepEqual(trend(), [[0, 2], [1, 1], [23, 1]]);
    // What is gone was there all the same.
    await state.commit([{ op: "dead.remove", subscription: "s", topic: "t", id: "e" }]);
    state = await again();
    assert.deepEqual(trend(), [[0, 2], [1, 1], [23, 1]]);
    // After a clock that was wrong, what it counts begins again.
    await state.commit([put("f", "down", now + 900 * hour), put("g", "down", now)]);
    assert.deepEqual(trend(), [[0, 1]]);
    assert.equal(state.deadLetterGroups()[0]!.lastAt, now);
    // Imports are of any age.
    const known = (
      id: string,
      at: number,
    ) => ({ ...put(id, "down", at), known: true } as StateChange);
    await state.commit([known("h", now - 1000 * hour), known("i", now - 2 * hour)]);
    assert.deepEqual(trend(), [[0, 1], [2, 1]]);
    const [{ firstAt, lastAt, total }] = state.deadLetterGroups() as [GroupRecord];
    assert.deepEqual([firstAt, lastAt, total], [now - 1000 * hour, now, 9]);
  },
);

onBoth(
  "makes one group of many that differ only in a word, except of those that a person noted",
  async (state, again) => {
    const noted = groupId("no customer 'a'");
    const wide = groupId("no customer *");
    await state.commit([
      put("a", "no customer 'a'", 1),
      { op: "group.note", group: noted, note: { at: 2, text: "the first one" } },
    ]);
    for (let i = 1; i <= 50; i++) {
      await state.commit([put(`${i}`, `no customer '${letters(i)}x'`, 10 + i)]);
    }
    state = await again();
    assert.deepEqual(present(state), { [noted]: 1, [wide]: 50 });
    const whole = state.deadLetterGroups().find(({ id }) => id === wide)!;
    const { reason, total, firstAt, lastAt } = whole;
    assert.deepEqual([reason, total, firstAt, lastAt], ["no customer *", 50, 11, 60]);
    assert.deepEqual(whole.samples.map(({ id }) => id), [
      "50",
      "49",
      "48",
      "47",
      "46",
      "45",
      "44",
      "43",
      "42",
      "41",
    ]);
    assert.equal(state.countDeadLetters({ group: wide }), 50);
    const records = state.deadLetters({ group: wide }, { limit: 99 }).records;
    assert.deepEqual([...new Set(records.map(({ group }) => group))], [wide]);
    // An id from before that stands for the whole.
    const part = groupId("no customer 'bx'");
    await state.commit([{ op: "group.act", group: part, act: "dismiss", at: 70 }]);
    const { state: is } = state.deadLetterGroups().find(({ id }) => id === wide)!;
    assert.equal(is, "dismissed");
    // Nothing of their texts is left.
    const texts = state.deadLetterGroups().map(({ reason }) => reason);
    assert.deepEqual(texts.filter((text) => /'[b-j]/.test(text)), []);
  },
);

onBoth(
  "keeps a thousand groups, forgets one without dead letters for a new one, and counts the rest as one",
  async (state) => {
    const changes = Array.from(
      { length: MOST_GROUPS },
      (_, i) => put(`${i}`, `cause ${letters(i)}`, 1000 + i),
    );
    await state.commit(changes);
    await state.commit([put("new", "another"), put("newer", "and another")]);
    assert.equal(state.countDeadLetters({ group: groupId("*") }), 2);
    // Of three that are empty, that goes which nobody noted and which was last seen longest ago.
    const noted = groupId("cause d");
    await state.commit([
      { op: "group.note", group: noted, note: { at: 1, text: "hm" } },
      ...["3", "4", "5"].map((id): StateChange => {
        return { op: "dead.remove", subscription: "s", topic: "t", id };
      }),
      put("newest", "yet another"),
    ]);
    const known = new Set(state.deadLetterGroups().map(({ id }) => id));
    const empty = ["cause d", "cause e", "cause f", "yet another"].map((text) =>
      known.has(groupId(text))
    );
    assert.deepEqual(empty, [true, false, true, true]);
    assert.equal(known.size, MOST_GROUPS + 1);
  },
);

onBoth("keeps the newest notes and samples of a group", async (state) => {
  const group = groupId("down");
  const numbers = Array.from({ length: 30 }, (_, i) => i);
  await state.commit(numbers.flatMap((i): StateChange[] => [
    put(`${i}`, "down", i),
    // The same one again is no other sample.
    put("again", "down", i),
    { op: "group.note", group, note: { at: i, text: `note ${i}`, ...i % 2 ? { by: "b" } : {} } },
  ]));
  const [{ notes, samples }] = state.deadLetterGroups() as [GroupRecord];
  assert.deepEqual([notes.length, notes[0]], [20, { at: 10, text: "note 10" }]);
  assert.deepEqual(notes.at(-1), { at: 29, by: "b", text: "note 29" });
  assert.deepEqual(samples.map(({ id }) => id), [
    "again",
    "29",
    "28",
    "27",
    "26",
    "25",
    "24",
    "23",
    "22",
    "21",
  ]);
});

onBoth(
  "forgets what a group says of an event that is redacted, unless another event says the same",
  async (state, again) => {
    const redact = (id: string): StateChange => {
      return { op: "event.redact", topic: "t", seq: 1, id, key: undefined, line };
    };
    const [own, shared] = [groupId("no customer 'smith'"), groupId("no route")];
    await state.commit([
      put("a", "no customer 'smith'"),
      put("b", "no route"),
      put("c", "no route"),
      { op: "group.note", group: own, note: { at: 1, text: "smith called" } },
      { op: "group.note", group: shared, note: { at: 1, text: "b's address?" } },
      // It was retried meanwhile, and is in no list any more.
      { op: "dead.remove", subscription: "s", topic: "t", id: "a" },
      redact("a"),
      redact("b"),
    ]);
    // Twice, as when the first time was interrupted.
    await state.commit([redact("a"), redact("b")]);
    state = await again();
    const groups = state.deadLetterGroups().map((
      { reason, notes, samples, total },
    ) => [reason, notes.length, samples.map(({ id }) => id), total]);
    assert.deepEqual(groups.sort(), [
      ["no route", 0, ["c"], 2],
      ["redacted", 0, ["b"], 1],
    ]);
    assert.deepEqual(present(state), { [shared]: 1, [groupId("redacted")]: 1 });
  },
);

onBoth("puts a cause whose group id is taken into the rest", async (state, again) => {
  const first = "the order is empty near the warehouse in Sofia";
  const second = "the invoice is unknown with the parcel in Lisbon";
  const [own, rest] = [groupId(first), groupId("*")];
  assert.equal(groupId(second), own);
  await state.commit([put("a", first)]);
  await state.commit([{ op: "group.act", group: own, act: "dismiss", at: 2 }]);
  await state.commit([put("b", second, 3)]);
  state = await again();
  await state.commit([put("c", second, 4), put("d", first, 5)]);
  assert.deepEqual(present(state), { [own]: 2, [rest]: 2 });
  const groups = new Map(state.deadLetterGroups().map((one) => [one.id, one]));
  assert.deepEqual([groups.get(own)!.reason, groups.get(own)!.state], [first, "dismissed"]);
  assert.deepEqual([groups.get(rest)!.reason, groups.get(rest)!.state], ["*", "open"]);
});

onBoth("puts a cause that has the id of a part of another group into the rest", async (state) => {
  const cause = (word: string) =>
    `no "${word}" for the order that is missing in the basket in Berlin`;
  const other = "the payment is locked for the customer in Porto";
  const [wide, rest] = [groupId(cause("").replace('""', "*")), groupId("*")];
  assert.equal(groupId(other), groupId(cause("g")));
  for (let i = 0; i < 25; i++) await state.commit([put(`${i}`, cause(letters(i)))]);
  await state.commit([put("other", other), put("again", cause("g"))]);
  assert.deepEqual(present(state), { [wide]: 26, [rest]: 1 });
});

onBoth("makes no group of many whose id another cause has", async (state) => {
  const other = "the voucher is unknown without the customer in Vienna";
  const cause = (word: string) => `no ${word} for the order that is locked at the order in Rome`;
  const [taken, rest] = [groupId(other), groupId("*")];
  assert.equal(groupId(cause("*")), taken);
  await state.commit([put("other", other)]);
  for (let i = 0; i < 25; i++) await state.commit([put(`${i}`, cause(`"${letters(i)}"`))]);
  const counts = present(state);
  assert.deepEqual([counts[taken], counts[rest]], [1, 5]);
  assert.equal(Object.keys(counts).length, 22, "twenty of them have groups of their own");
});
