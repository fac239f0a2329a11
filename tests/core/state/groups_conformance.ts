/** What every state keeps of groups of dead letters. */
import assert from "node:assert/strict";
import { MOST_GROUPS } from "../../../core/event/dead_letter_group.ts";
import { groupId, type GroupRecord } from "../../../core/state/group_rules.ts";
import type { State, StateChange } from "../../../core/state/state.ts";
import type { StateUnderTest } from "./conformance.ts";
import { line, present, put } from "./group_letters.ts";

/** Words that stay as they are when reasons are grouped. */
function letters(i: number): string {
  return String(i).replace(/\d/g, (digit) => "abcdefghij"[Number(digit)]!);
}

type Body = (state: State, again: () => Promise<State>) => Promise<void>;
type Test = (what: string, body: Body) => void;

/** Registers the suite for one kind of state. `again` closes a state and opens what it kept. */
export function testGroups(name: string, open: () => Promise<StateUnderTest>): void {
  const test: Test = (what, body) =>
    Deno.test(`${name} ${what}`, async () => {
      const under = await open();
      try {
        await body(under.state, () => under.reopen());
      } finally {
        await under.dispose();
      }
    });
  returns(test);
  trend(test);
  merging(test);
  mostGroups(test);
  newest(test);
  redaction(test);
  takenId(test);
  takenPart(test);
  takenWhole(test);
}

function returns(test: Test): void {
  test(
    "opens a resolved group when it comes back, and a dismissed one after as many as were said",
    async (state, again) => {
      const a = groupId("down");
      const act = (act: "resolve" | "dismiss", more?: number): StateChange => {
        const change = { op: "group.act", group: a, act, at: 5, by: "anna" } as const;
        return more === undefined ? change : { ...change, more };
      };
      const only = async () => {
        const [{ state: is, more, act, total }] = await state.deadLetterGroups() as [GroupRecord];
        return { is, more, act: act?.act, total };
      };
      await state.commit([put("1", "down"), act("resolve")]);
      assert.deepEqual(await only(), { is: "resolved", more: undefined, act: "resolve", total: 1 });
      state = await again();
      await state.commit([{ ...put("0", "down"), known: true } as StateChange]);
      assert.equal((await only()).is, "resolved", "an import is no return");
      await state.commit([put("1", "down", 77)]);
      assert.deepEqual(await only(), { is: "open", more: undefined, act: "return", total: 3 });
      assert.equal((await state.deadLetterGroups())[0]!.act!.at, 77);
      await state.commit([act("dismiss"), put("2", "down"), put("3", "down")]);
      assert.equal((await only()).is, "dismissed");
      await state.commit([act("dismiss", 2), put("4", "down")]);
      assert.deepEqual(await only(), { is: "dismissed", more: 1, act: "dismiss", total: 6 });
      state = await again();
      await state.commit([put("5", "down")]);
      assert.deepEqual(await only(), { is: "open", more: undefined, act: "return", total: 7 });
    },
  );
}

function trend(test: Test): void {
  test(
    "counts the dead letters of a group by hour, and forgets what is over",
    async (state, again) => {
      const hour = 3_600_000;
      const now = 500_000 * hour;
      const trend = async () => {
        const end = Math.floor(now / 600_000) + 1;
        return (await state.deadLetterTrend(end)).map(({ hour, count }) => [hour, count])
          .sort(([a], [b]) => a! - b!);
      };
      await state.commit([
        put("a", "down", now - 30 * hour),
        put("b", "down", now - 23 * hour),
        put("c", "down", now - hour),
        put("d", "down", now - 1),
        put("e", "down", now),
      ]);
      assert.deepEqual(await trend(), [[0, 2], [1, 1], [23, 1]]);
      // What is gone was there all the same.
      await state.commit([{ op: "dead.remove", subscription: "s", topic: "t", id: "e" }]);
      state = await again();
      assert.deepEqual(await trend(), [[0, 2], [1, 1], [23, 1]]);
      // After a clock that was wrong, what it counts begins again.
      await state.commit([put("f", "down", now + 900 * hour), put("g", "down", now)]);
      assert.deepEqual(await trend(), [[0, 1]]);
      assert.equal((await state.deadLetterGroups())[0]!.lastAt, now);
      // Imports are of any age.
      const known = (
        id: string,
        at: number,
      ) => ({ ...put(id, "down", at), known: true } as StateChange);
      await state.commit([known("h", now - 1000 * hour), known("i", now - 2 * hour)]);
      assert.deepEqual(await trend(), [[0, 1], [2, 1]]);
      const [{ firstAt, lastAt, total }] = await state.deadLetterGroups() as [GroupRecord];
      assert.deepEqual([firstAt, lastAt, total], [now - 1000 * hour, now, 9]);
    },
  );
}

function merging(test: Test): void {
  test(
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
      assert.deepEqual(await present(state), { [noted]: 1, [wide]: 50 });
      const whole = (await state.deadLetterGroups()).find(({ id }) => id === wide)!;
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
      assert.equal(await state.countDeadLetters({ group: wide }), 50);
      const records = (await state.deadLetters({ group: wide }, { limit: 99 })).records;
      assert.deepEqual([...new Set(records.map(({ group }) => group))], [wide]);
      // An id from before that stands for the whole.
      const part = groupId("no customer 'bx'");
      await state.commit([{ op: "group.act", group: part, act: "dismiss", at: 70 }]);
      const { state: is } = (await state.deadLetterGroups()).find(({ id }) => id === wide)!;
      assert.equal(is, "dismissed");
      // Nothing of their texts is left.
      const texts = (await state.deadLetterGroups()).map(({ reason }) => reason);
      assert.deepEqual(texts.filter((text) => /'[b-j]/.test(text)), []);
    },
  );
}

function mostGroups(test: Test): void {
  test(
    "keeps a thousand groups, forgets one without dead letters for a new one, and counts the rest as one",
    async (state) => {
      const changes = Array.from(
        { length: MOST_GROUPS },
        (_, i) => put(`${i}`, `cause ${letters(i)}`, 1000 + i),
      );
      await state.commit(changes);
      await state.commit([put("new", "another"), put("newer", "and another")]);
      assert.equal(await state.countDeadLetters({ group: groupId("*") }), 2);
      // Of three that are empty, that goes which nobody noted and which was last seen longest ago.
      const noted = groupId("cause d");
      await state.commit([
        { op: "group.note", group: noted, note: { at: 1, text: "hm" } },
        ...["3", "4", "5"].map((id): StateChange => {
          return { op: "dead.remove", subscription: "s", topic: "t", id };
        }),
        put("newest", "yet another"),
      ]);
      const known = new Set((await state.deadLetterGroups()).map(({ id }) => id));
      const empty = ["cause d", "cause e", "cause f", "yet another"].map((text) =>
        known.has(groupId(text))
      );
      assert.deepEqual(empty, [true, false, true, true]);
      assert.equal(known.size, MOST_GROUPS + 1);
    },
  );
}

function newest(test: Test): void {
  test("keeps the newest notes and samples of a group", async (state) => {
    const group = groupId("down");
    const numbers = Array.from({ length: 30 }, (_, i) => i);
    await state.commit(numbers.flatMap((i): StateChange[] => [
      put(`${i}`, "down", i),
      // The same one again is no other sample.
      put("again", "down", i),
      { op: "group.note", group, note: { at: i, text: `note ${i}`, ...i % 2 ? { by: "b" } : {} } },
    ]));
    const [{ notes, samples }] = await state.deadLetterGroups() as [GroupRecord];
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
}

function redaction(test: Test): void {
  test(
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
      const groups = (await state.deadLetterGroups()).map((
        { reason, notes, samples, total },
      ) => [reason, notes.length, samples.map(({ id }) => id), total]);
      assert.deepEqual(groups.sort(), [
        ["no route", 0, ["c"], 2],
        ["redacted", 0, ["b"], 1],
      ]);
      assert.deepEqual(await present(state), { [shared]: 1, [groupId("redacted")]: 1 });
    },
  );
}

function takenId(test: Test): void {
  test("puts a cause whose group id is taken into the rest", async (state, again) => {
    const first = "the order is empty near the warehouse in Sofia";
    const second = "the invoice is unknown with the parcel in Lisbon";
    const [own, rest] = [groupId(first), groupId("*")];
    assert.equal(groupId(second), own);
    await state.commit([put("a", first)]);
    await state.commit([{ op: "group.act", group: own, act: "dismiss", at: 2 }]);
    await state.commit([put("b", second, 3)]);
    state = await again();
    await state.commit([put("c", second, 4), put("d", first, 5)]);
    assert.deepEqual(await present(state), { [own]: 2, [rest]: 2 });
    const groups = new Map((await state.deadLetterGroups()).map((one) => [one.id, one]));
    assert.deepEqual([groups.get(own)!.reason, groups.get(own)!.state], [first, "dismissed"]);
    assert.deepEqual([groups.get(rest)!.reason, groups.get(rest)!.state], ["*", "open"]);
  });
}

function takenPart(test: Test): void {
  test("puts a cause that has the id of a part of another group into the rest", async (state) => {
    const cause = (word: string) =>
      `no "${word}" for the order that is missing in the basket in Berlin`;
    const other = "the payment is locked for the customer in Porto";
    const [wide, rest] = [groupId(cause("").replace('""', "*")), groupId("*")];
    assert.equal(groupId(other), groupId(cause("g")));
    for (let i = 0; i < 25; i++) await state.commit([put(`${i}`, cause(letters(i)))]);
    await state.commit([put("other", other), put("again", cause("g"))]);
    assert.deepEqual(await present(state), { [wide]: 26, [rest]: 1 });
  });
}

function takenWhole(test: Test): void {
  test("makes no group of many whose id another cause has", async (state) => {
    const other = "the voucher is unknown without the customer in Vienna";
    const cause = (word: string) => `no ${word} for the order that is locked at the order in Rome`;
    const [taken, rest] = [groupId(other), groupId("*")];
    assert.equal(groupId(cause("*")), taken);
    await state.commit([put("other", other)]);
    for (let i = 0; i < 25; i++) await state.commit([put(`${i}`, cause(`"${letters(i)}"`))]);
    const counts = await present(state);
    assert.deepEqual([counts[taken], counts[rest]], [1, 5]);
    assert.equal(Object.keys(counts).length, 22, "twenty of them have groups of their own");
  });
}
