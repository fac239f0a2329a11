/** The states of this process, to be tested by the suites for every state. */
import { MemoryState } from "../../../core/state/memory.ts";
import { SqliteState } from "../../../core/state/sqlite.ts";
import type { StateUnderTest } from "./conformance.ts";

/** A state in memory: what it keeps is still there. */
export function memoryState(): Promise<StateUnderTest> {
  const state = new MemoryState();
  return Promise.resolve({
    state,
    reopen: () => Promise.resolve(state),
    dispose: () => state.close(),
  });
}

/** A state in a file of its own. */
export async function sqliteState(): Promise<StateUnderTest> {
  const dir = await Deno.makeTempDir();
  let state = new SqliteState(`${dir}/state.db`);
  return {
    state,
    async reopen() {
      await state.close();
      return state = new SqliteState(`${dir}/state.db`);
    },
    async dispose() {
      await state.close();
      await Deno.remove(dir, { recursive: true });
    },
  };
}
