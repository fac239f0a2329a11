/** The unit of an `evs alert`: which words it keeps, and that it does without the daemon. */
import assert from "node:assert/strict";
import { alertUnit, alertUnitName, alertWords } from "../../../commands/service/alert_unit.ts";
import { systemPaths } from "../../../commands/service/installation.ts";
import { UnitFile } from "../../helpers/unit_file.ts";

const PLACE = {
  program: "/usr/lib/evs/bin/evs",
  paths: systemPaths(),
  home: "/root",
  runtimeFolder: undefined,
  runtime: {},
  caller: { PATH: "/bin" },
  folder: "/srv",
} as const;

Deno.test("alertWords keeps what evs alert takes when there are flags of the service between", () => {
  const typed = ["service", "install", "alert", "--dlq", ">0", "--system", "--as", "ada"];
  const rest = ["--disk=<10%", "--no-start", "--", "./tell", "--as", "x", "--force"];
  assert.deepEqual(alertWords([...typed, ...rest]), [
    ...["alert", "--dlq", ">0", "--disk=<10%"],
    ...["--", "./tell", "--as", "x", "--force"],
  ]);
});

Deno.test("alertUnit runs with the daemon or without, and remembers in a folder of its own", () => {
  const words = ["alert", "--disk", "<10%", "--", "./tell"];
  const unit = new UnitFile(alertUnit({ ...PLACE, scope: "system" }, { name: "pager", words }));
  assert.deepEqual(unit.command, [PLACE.program, ...words]);
  assert.equal(unit.one("Unit.After"), "evs.service");
  for (const key of ["BindsTo", "Requires", "Wants", "PartOf"]) {
    assert.deepEqual(unit.all(`Unit.${key}`), []);
  }
  assert.equal(unit.one("Install.WantedBy"), "multi-user.target");
  assert.equal(unit.one("Service.User"), "evs");
  assert.equal(unit.one("Service.StateDirectory"), "evs-alert-pager");
  assert.equal(unit.environment["XDG_STATE_HOME"], "/var/lib/evs-alert-pager");
  assert.equal(unit.environment["EVS_SOCKET"], "/run/evs/evs.sock");
  const as = new UnitFile(
    alertUnit({ ...PLACE, scope: "system" }, { name: "pager", words, as: "ada" }),
  );
  assert.equal(as.one("Service.User"), "ada");
  assert.equal(as.one("Service.SupplementaryGroups"), "evs");
  const own = new UnitFile(alertUnit({ ...PLACE, scope: "user" }, { name: "main", words }));
  assert.equal(own.one("Install.WantedBy"), "default.target");
  assert.deepEqual(own.all("Service.StateDirectory"), []);
  assert.equal(alertUnitName("main"), "evs-alert-main.service");
});
