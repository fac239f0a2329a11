/** The version line of `evs status`. */
import assert from "node:assert/strict";
import { versionText } from "../../../commands/daemon/status.ts";

Deno.test("versionText names both versions, and what to type, when they differ", () => {
  assert.equal(versionText("0.1.0", "0.1.0"), "0.1.0");
  assert.equal(
    versionText("0.9.0", "0.10.0"),
    "running 0.9.0, installed 0.10.0; to run that one: evs daemon restart",
  );
  assert.match(versionText("0.2.0-rc.1", "0.2.0"), /to run that one/);
  assert.match(versionText("0.2.0", "0.2.0-rc.1"), /is older than the daemon/);
  assert.match(versionText("0.2.0-rc.2", "0.2.0-rc.10"), /to run that one/);
  assert.equal(
    versionText("0.2.0", "0.1.9"),
    "running 0.2.0, installed 0.1.9: this evs is older than the daemon; " +
      "to see which there are: type -a evs",
  );
});
