/** Shows that a state that was closed can be collected: a process may open many, one after the other. */
import assert from "node:assert/strict";
import { runInNewContext } from "node:vm";
import { setFlagsFromString } from "node:v8";
import { SqliteState } from "../../../core/state/sqlite.ts";
import { testFolder } from "../../helpers/folder.ts";

Deno.test("SqliteState is collected with its database when it was closed", async () => {
  const folder = await testFolder("test");
  try {
    const open = async () => {
      const state = new SqliteState(`${folder}/state.db`);
      await state.commit([{ op: "generation.next" }]);
      await state.close();
      return new WeakRef(state);
    };
    const states = [await open(), await open(), await open()];
    setFlagsFromString("--expose-gc");
    const gc = runInNewContext("gc") as () => void;
    for (let n = 0; n < 50 && states.some((state) => state.deref() !== undefined); n++) {
      await new Promise((resolve) => setTimeout(resolve, 10));
      gc();
    }
    assert.deepEqual(states.map((state) => state.deref()), [undefined, undefined, undefined]);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
