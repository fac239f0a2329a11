/**
 * Groups of dead letters, as both states keep them: whatever happens to dead letters, the groups
 * count them, open again when they come back, stay bounded, and forget what was redacted.
 */
import assert from "node:assert/strict";
import fc from "../../packages/fast_check.ts";
import { dose } from "../../helpers/dose.ts";
import { MOST_GROUP_NOTES } from "../../../core/event/dead_letter_group.ts";
import { groupId } from "../../../core/state/group_rules.ts";
import { MemoryState } from "../../../core/state/memory.ts";
import { foldReason } from "../../../core/state/reason.ts";
import { SqliteState } from "../../../core/state/sqlite.ts";
import type { State, StateChange } from "../../../core/state/state.ts";
import { line, present, put } from "./group_letters.ts";
import { testGroups } from "./groups_conformance.ts";
import { memoryState, sqliteState } from "./subjects.ts";

testGroups("MemoryState", memoryState);
testGroups("SqliteState", sqliteState);

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

async function assertAgrees(state: State, model: Model): Promise<void> {
  const groups = (await state.deadLetterGroups()).map((group) => {
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
  assert.deepEqual(await present(state), counts);
  for (const name of model.groups.keys()) {
    assert.equal(await state.countDeadLetters({ group: name }), counts[name] ?? 0);
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
              await assertAgrees(memory, model);
              await assertAgrees(disk, model);
            }
            disk.closeSync();
            disk = open();
            await assertAgrees(disk, model);
          } finally {
            disk.closeSync();
          }
        }),
    ),
    { numRuns: dose(30) },
  ));
