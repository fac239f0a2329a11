/**
 * Modules that only brokers on a database use: whoever opens one brings all that are asked for, and a
 * daemon without one has none of them.
 */
import assert from "node:assert/strict";
import { bringModules, broughtModule } from "../../../core/base/brought_module.ts";
import { sourceFiles } from "../../helpers/source.ts";

const ROOT = new URL("../../../", import.meta.url);
const text = (path: string) => Deno.readTextFile(new URL(path, ROOT));

Deno.test("broughtModule returns what was brought, and says what is missing", () => {
  assert.throws(() => broughtModule("core/none.ts"), /core\/none\.ts is missing/);
  const module = {};
  bringModules({ "core/none.ts": module });
  assert.equal(broughtModule("core/none.ts"), module);
});

Deno.test("shared_modules.ts brings each module that is asked for, and the daemon loads none of them", async () => {
  const asked = new Set<string>();
  for (const path of await sourceFiles("core")) {
    const found = (await text(path)).matchAll(/"(core\/[a-z_/]+\/shared_[a-z_]+\.ts)"/g);
    if (path !== "core/broker/shared_modules.ts") { for (const [, one] of found) asked.add(one!); }
  }
  assert.ok(asked.size >= 4, [...asked].join());
  const brings = await text("core/broker/shared_modules.ts");
  const list = await text("daemon/modules.ts");
  for (const path of asked) {
    assert.match(brings, new RegExp(`"${path}": `), path);
    assert.ok(!list.includes(path), `${path} is loaded by every daemon`);
  }
});
