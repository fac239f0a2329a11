/**
 * What an `evs alert` remembers over a restart, and its lock: one process holds it, also on a disk
 * that takes nothing.
 */
import assert from "node:assert/strict";
import {
  AlertState,
  formatRemembered,
  parseRemembered,
} from "../../../commands/alerting/state_file.ts";
import { testFolder } from "../../helpers/folder.ts";
import { modeOf } from "../../helpers/start.ts";

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

Deno.test("parseRemembered goes on counting how long a condition has held, by the clock of another process", () => {
  const condition = { measure: "lag", subscription: "s", id: "i", since: 10_000, begun: false };
  const text = formatRemembered({
    conditions: [{ ...condition, measure: "lag", heldFrom: 77 }],
    untold: [],
    dataDir: "/d",
  });
  assert.doesNotMatch(text, /heldFrom/, "it says nothing to another process");
  const at = (wall: number) =>
    parseRemembered(text, { path: "p", now: { wall, monotonic: 500 } }).conditions[0]!.heldFrom;
  assert.equal(at(70_000), 500 - 60_000);
  assert.equal(at(10_000), 500);
  assert.equal(at(5000), 500, "a clock that was set back makes it no younger than now");
  for (const other of ["", "{", "[]", "null", '{"version":2}', '{"version":1}', '{"version":0}']) {
    assert.throws(() => parseRemembered(other, { path: "p", now: { wall: 0, monotonic: 0 } }), {
      code: "alert/invalid-state",
    }, other);
  }
});

Deno.test("AlertState.save keeps its file for its owner alone, and what it was when it cannot be written", async () => {
  const folder = await testFolder("test");
  const before = Deno.umask(0);
  try {
    const path = `${folder}/state/main.json`;
    using state = AlertState.open(path, "main");
    state.save({ conditions: [], untold: [], dataDir: "/first" });
    const files = [`${folder}/state`, path, `${path}.lock`];
    assert.deepEqual(files.map(modeOf), ["700", "600", "600"]);
    await Deno.mkdir(`${path}.new`); // no file can be made there
    assert.throws(() => state.save({ conditions: [], untold: [], dataDir: "/second" }), {
      code: "alert/not-saved",
      exit: 7,
    });
    assert.equal(state.load({ wall: 0, monotonic: 0 }).dataDir, "/first");
  } finally {
    Deno.umask(before);
    await Deno.remove(folder, { recursive: true });
  }
});
