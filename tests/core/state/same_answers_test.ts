/**
 * The states answer alike, whatever changes they are given: that in memory is simple enough to be
 * believed. tests/system/postgres/state_answers_test.ts has PostgreSQL beside them.
 */
import assert from "node:assert/strict";
import fc from "../../packages/fast_check.ts";
import { dose } from "../../helpers/dose.ts";
import { anyCommits, readAll } from "./any_changes.ts";
import { memoryState, sqliteState } from "./subjects.ts";

Deno.test("MemoryState and SqliteState answer alike, whatever they are given", () =>
  fc.assert(
    fc.asyncProperty(anyCommits, async (commits) => {
      const memory = await memoryState();
      const sqlite = await sqliteState();
      try {
        for (const changes of commits) {
          await memory.state.commit(changes);
          await sqlite.state.commit(changes, { sync: false });
          assert.deepEqual(await readAll(sqlite.state), await readAll(memory.state));
        }
        assert.deepEqual(await readAll(await sqlite.reopen()), await readAll(memory.state));
      } finally {
        await sqlite.dispose();
      }
    }),
    { numRuns: dose(40) },
  ));
