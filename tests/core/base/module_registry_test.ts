/**
 * Modules that only brokers on a database use: whoever opens one registers all that are looked up, and
 * a daemon without one has none of them.
 */
import assert from "node:assert/strict";
import { registeredModule, registerModules } from "../../../core/base/module_registry.ts";
import { sourceFiles } from "../../helpers/source.ts";

const ROOT = new URL("../../../", import.meta.url);
const text = (path: string) => Deno.readTextFile(new URL(path, ROOT));

Deno.test("registeredModule returns what was registered, and says what is missing", () => {
  assert.throws(() => registeredModule("core/none.ts"), /core\/none\.ts is missing/);
  const module = {};
  registerModules({ "core/none.ts": module });
  assert.equal(registeredModule("core/none.ts"), module);
});

Deno.test("shared_modules.ts registers each module that is looked up, and the daemon loads none of them", async () => {
  const asked = new Set<string>();
  for (const path of await sourceFiles("core")) {
    const found = (await text(path)).matchAll(/"(core\/[a-z_/]+\/shared_[a-z_]+\.ts)"/g);
    if (path !== "core/broker/shared_modules.ts") { for (const [, one] of found) asked.add(one!); }
  }
  assert.ok(asked.size >= 4, [...asked].join());
  const registers = await text("core/broker/shared_modules.ts");
  const list = await text("daemon/modules.ts");
  for (const path of asked) {
    assert.match(registers, new RegExp(`"${path}": `), path);
    assert.ok(!list.includes(path), `${path} is loaded by every daemon`);
  }
});
