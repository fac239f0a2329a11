/**
 * The differences between two looks at a catalog: applied to a state that is as it was, they make it
 * what it is, whatever was done in between; and what has not changed is not among them.
 */
import assert from "node:assert/strict";
import fc from "../../packages/fast_check.ts";
import { assertSeeded } from "../../helpers/seed.ts";
import { defaultSettings } from "../../../core/delivery/settings.ts";
import { defaultTopicOptions } from "../../../core/event/topic_options.ts";
import {
  type CatalogSnapshot,
  changesCatalog,
  diffCatalogs,
  withCatalogChanges,
} from "../../../core/state/catalog_diff.ts";
import { MemoryState } from "../../../core/state/memory.ts";
import type { StateChange } from "../../../core/state/state.ts";
import { anyCommits } from "./any_changes.ts";

const FILE = "tests/core/state/catalog_diff_test.ts";
const EMPTY: CatalogSnapshot = {
  topics: [],
  subscriptions: [],
  schemas: [],
  levels: [],
  redactions: [],
};
const topic = (createdAt: number, maxEvents = 0) => ({
  name: "t",
  options: { ...defaultTopicOptions, maxEvents },
  createdAt,
});
const subscription = (createdAt: number, paused = false) => ({
  name: "s",
  topic: "t",
  from: "start",
  settings: defaultSettings,
  paused,
  createdAt,
});

/** The catalog of a state, in an order of its own. */
function catalogOf(state: MemoryState): CatalogSnapshot {
  return inOrder(state.load());
}

function inOrder(
  { topics, subscriptions, schemas, levels, redactions }: CatalogSnapshot,
): CatalogSnapshot {
  const sorted = <T>(records: readonly T[]) =>
    records.toSorted((a, b) => JSON.stringify(a) < JSON.stringify(b) ? -1 : 1);
  return {
    topics: sorted(topics),
    subscriptions: sorted(subscriptions),
    schemas: sorted(schemas),
    levels: sorted(levels),
    redactions: sorted(redactions),
  };
}

async function stateAfter(...commits: readonly (readonly StateChange[])[]): Promise<MemoryState> {
  const state = new MemoryState();
  for (const changes of commits) await state.commit(changes);
  return state;
}

Deno.test("diffCatalogs makes of a state as it was the state as it is", () =>
  assertSeeded(
    fc.asyncProperty(anyCommits, anyCommits, async (first, second) => {
      const state = await stateAfter(...first);
      const before = catalogOf(state);
      for (const changes of second) await state.commit(changes);
      const after = catalogOf(state);
      const other = await stateAfter(diffCatalogs(EMPTY, before));
      assert.deepEqual(catalogOf(other), before, "from nothing");
      await other.commit(diffCatalogs(before, after));
      assert.deepEqual(catalogOf(other), after);
    }),
    { numRuns: 200, file: FILE },
  ));

Deno.test("diffCatalogs finds nothing where nothing has changed, in whatever order it is told", () =>
  assertSeeded(
    fc.asyncProperty(anyCommits, async (commits) => {
      const catalog = catalogOf(await stateAfter(...commits));
      const { topics, subscriptions, schemas, levels, redactions } = structuredClone(catalog);
      assert.deepEqual(
        diffCatalogs(catalog, {
          topics: topics.toReversed(),
          subscriptions: subscriptions.toReversed(),
          schemas: schemas.toReversed(),
          levels: levels.toReversed(),
          redactions: redactions.toReversed(),
        }),
        [],
      );
    }),
    { numRuns: 50, file: FILE },
  ));

Deno.test("diffCatalogs tells only a change of a topic or a subscription that is still the same", () => {
  const before = { ...EMPTY, topics: [topic(1)], subscriptions: [subscription(1)] };
  const after = { ...EMPTY, topics: [topic(1, 5)], subscriptions: [subscription(1, true)] };
  assert.deepEqual(diffCatalogs(before, after), [
    { op: "topic.put", record: topic(1, 5) },
    { op: "subscription.put", record: subscription(1, true) },
  ]);
});

Deno.test("diffCatalogs removes and makes what was made again under the same name", () => {
  const before = { ...EMPTY, topics: [topic(1)], subscriptions: [subscription(1)] };
  const after = { ...EMPTY, topics: [topic(2)], subscriptions: [subscription(2)] };
  assert.deepEqual(diffCatalogs(before, after), [
    { op: "subscription.remove", name: "s" },
    { op: "topic.remove", name: "t" },
    { op: "topic.put", record: topic(2) },
    { op: "subscription.put", record: subscription(2) },
  ]);
});

Deno.test("diffCatalogs says that a type has no level any more when its record is gone", () => {
  const before: CatalogSnapshot = { ...EMPTY, levels: [{ type: "x", level: "full" }] };
  assert.deepEqual(diffCatalogs(before, EMPTY), [
    { op: "schema.level", record: { type: "x", level: "none" } },
  ]);
});

Deno.test("withCatalogChanges makes of a catalog what a state makes of it", () =>
  assertSeeded(
    fc.asyncProperty(anyCommits, anyCommits, async (first, second) => {
      const state = await stateAfter(...first);
      const before = catalogOf(state);
      for (const changes of second) await state.commit(changes);
      const changes = second.flat().filter(changesCatalog);
      assert.deepEqual(inOrder(withCatalogChanges(before, changes)), catalogOf(state));
    }),
    { numRuns: 200, file: FILE },
  ));

Deno.test("withCatalogChanges knows the rev of the schemas that was stored last", () => {
  const catalog = { ...EMPTY, schemasRev: 1 };
  const level = { op: "schema.level", record: { type: "x", level: "full" } } as const;
  const after = withCatalogChanges(catalog, [
    { ...level, revs: { before: 1, rev: 2 } },
    { ...level, revs: { before: 2, rev: 3 } },
    { op: "topic.put", record: topic(1) },
  ]);
  assert.equal(after.schemasRev, 3);
});
