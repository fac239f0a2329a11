/** Shows that the state in PostgreSQL answers like that in memory, whatever changes it is given. */
import assert from "node:assert/strict";
import fc from "../../packages/fast_check.ts";
import { rowsOfParts } from "../../../core/state/part_rows.ts";
import { anySharedCommits, readAll, sorted } from "../../core/state/any_changes.ts";
import { MemoryState } from "../../../core/state/memory.ts";
import { PostgresState } from "../../../core/state/postgres/postgres_state.ts";
import type { QueueRows } from "../../../core/state/part_rows.ts";
import { memoryState } from "../../core/state/subjects.ts";
import { dose } from "../../helpers/dose.ts";
import { emptyDatabase, endServer, giveBack, postgresState } from "./states.ts";

Deno.test.afterAll(endServer);

Deno.test("MemoryState and PostgresState answer alike, whatever they are given", () =>
  fc.assert(
    fc.asyncProperty(anySharedCommits, async (commits) => {
      const memory = await memoryState();
      const postgres = await postgresState();
      try {
        for (const changes of commits) {
          await memory.state.commit(changes);
          await postgres.state.commit(changes, { sync: false });
          assert.deepEqual(await readAll(postgres.state), await readAll(memory.state));
        }
        assert.deepEqual(await readAll(await postgres.reopen()), await readAll(memory.state));
      } finally {
        await postgres.dispose();
      }
    }),
    { numRuns: dose(25) },
  ));

Deno.test("PostgresState loads of some parts what MemoryState has of them", () =>
  fc.assert(
    fc.asyncProperty(anySharedCommits, async (commits) => {
      const memory = new MemoryState();
      const url = await emptyDatabase();
      const postgres = await PostgresState.open(url);
      try {
        for (const changes of commits) {
          await memory.commit(changes);
          await postgres.commit(changes, { sync: false });
        }
        for (const parts of [[0], [1, 2], [0, 1, 2]]) {
          const { parts: claims, ...rows } = await postgres.shared.loadQueue("s", parts);
          assert.deepEqual(claims, [], "nobody has claimed any");
          const expected = rowsOfParts(memory.load(), { subscription: "s", parts });
          assert.deepEqual(ordered(rows), ordered(expected));
        }
        const { cursors: _cursors, ...all } = await postgres.shared.loadQueue("s");
        const { parts = 1 } = memory.load().subscriptions.find(({ name }) => name === "s") ?? {};
        const asked = Array.from({ length: parts }, (_, part) => part);
        const { cursors: _other, ...same } = await postgres.shared.loadQueue("s", asked);
        if (memory.load().subscriptions.some(({ name }) => name === "s")) {
          assert.deepEqual(all, same);
        }
      } finally {
        await postgres.close();
        await giveBack(url);
      }
    }),
    { numRuns: dose(25) },
  ));

const ordered = (rows: QueueRows) =>
  Object.fromEntries(Object.entries(rows).map(([name, list]) => [name, sorted<unknown>(list)]));
