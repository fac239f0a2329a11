/** The lock of an `evs alert`: one process holds it, also on a disk that takes nothing. */
import assert from "node:assert/strict";
import { AlertState } from "../../../commands/alerting/state_file.ts";
import { testFolder } from "../../helpers/folder.ts";

Deno.test("AlertState is locked also where there is no room to write down by whom", async () => {
  const folder = await testFolder("test");
  try {
    const path = `${folder}/main.json`;
    // Whatever is written there fails, as on a full disk.
    await Deno.symlink("/dev/full", `${path}.lock`);
    using _state = AlertState.open(path, "main");
    using other = Deno.openSync(`${path}.lock`, { write: true });
    assert.equal(other.tryLockSync(true), false);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
