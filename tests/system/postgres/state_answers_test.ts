/** Shows that the state in PostgreSQL answers like that in memory, whatever changes it is given. */
import assert from "node:assert/strict";
import fc from "../../packages/fast_check.ts";
import { anyCommits, readAll } from "../../core/state/any_changes.ts";
import { memoryState } from "../../core/state/subjects.ts";
import { dose } from "../../helpers/dose.ts";
import { endServer, postgresState } from "./states.ts";

Deno.test.afterAll(endServer);

Deno.test("MemoryState and PostgresState answer alike, whatever they are given", () =>
  fc.assert(
    fc.asyncProperty(anyCommits, async (commits) => {
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
