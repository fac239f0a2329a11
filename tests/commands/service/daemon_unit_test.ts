/**
 * The unit of a daemon whose events are in a database: what it lets through leads there, and the
 * unit of every other daemon lets nothing through.
 */
import assert from "node:assert/strict";
import { daemonUnit } from "../../../commands/service/daemon_unit.ts";
import { systemPaths } from "../../../commands/service/installation.ts";
import type { DatabaseAccess } from "../../../core/client/launch.ts";
import { UnitFile } from "../../helpers/unit_file.ts";

const PLACE = {
  program: "/usr/lib/evs/bin/evs",
  paths: systemPaths(),
  home: "/root",
  runtimeFolder: undefined,
  runtime: {},
  caller: {},
  folder: "/srv",
} as const;

const SOCKET = "/run/postgresql/.s.PGSQL.5432";

function unitOf(scope: "user" | "system", access?: DatabaseAccess): UnitFile {
  const paths = scope === "system" ? PLACE.paths : {
    ...PLACE.paths,
    dataDir: "/home/ada/.local/share/evs",
    socket: "/run/user/1000/evs/evs.sock",
  };
  const place = { ...PLACE, scope, paths, runtimeFolder: "/run/user/1000" };
  return new UnitFile(daemonUnit(place, {}, access));
}

/** What it may reach: kinds of sockets, whether it has a network of its own, and addresses. */
function reachOf(unit: UnitFile): unknown[] {
  return [
    unit.one("Service.RestrictAddressFamilies"),
    unit.all("Service.PrivateNetwork").join(),
    unit.all("Service.IPAddressDeny").join(),
    unit.all("Service.IPAddressAllow").join(),
  ];
}

Deno.test("daemonUnit lets through what leads to the database when the store is one, and nothing else", () => {
  const cases: [access: DatabaseAccess | undefined, reach: string[]][] = [
    [undefined, ["AF_UNIX", "yes", "any", ""]],
    [{ net: `unix:${SOCKET}`, socket: SOCKET }, ["AF_UNIX", "yes", "any", ""]],
    [{ net: "10.0.0.5:5432" }, ["AF_UNIX AF_INET", "", "any", "10.0.0.5"]],
    [{ net: "[fd00::5]:6000" }, ["AF_UNIX AF_INET6", "", "any", "fd00::5"]],
    [{ net: "localhost:5432" }, ["AF_UNIX AF_INET AF_INET6", "", "any", "localhost"]],
    // Which addresses that has is known only when it is looked up, perhaps by another server.
    [{ net: "db.example.com:5432" }, ["AF_UNIX AF_INET AF_INET6", "", "", ""]],
  ];
  for (const [access, reach] of cases) {
    assert.deepEqual(reachOf(unitOf("system", access)), reach, access?.net);
    // A user's manager cannot filter addresses.
    const user = [...reach.slice(0, 2), "", ""];
    assert.deepEqual(reachOf(unitOf("user", access)), user, access?.net);
  }
});

Deno.test("daemonUnit takes nothing else from the sandbox when the store is a database", () => {
  const network = /^(RestrictAddressFamilies|PrivateNetwork|IPAddress\w+|RestartSec)=/;
  const settings = (access?: DatabaseAccess) => {
    const text = daemonUnit({ ...PLACE, scope: "system" }, {}, access);
    return text.slice(text.indexOf("[Service]")).split("\n").filter((line) => !network.test(line));
  };
  assert.deepEqual(settings({ net: "db.example.com:5432" }), settings());
});

Deno.test("daemonUnit waits for the network or the server, and is never given up, when the store is a database", () => {
  const order = (access?: DatabaseAccess) => {
    const unit = unitOf("system", access);
    return [
      unit.all("Unit.After").join(),
      unit.all("Unit.Wants").join(),
      unit.one("Unit.StartLimitIntervalSec"),
    ];
  };
  assert.deepEqual(order(), ["", "", "5min"]);
  const online = "network-online.target";
  assert.deepEqual(order({ net: "db.example.com:5432" }), [online, online, "0"]);
  const local = ["postgresql.service", "", "0"];
  for (const net of ["127.0.0.1:5432", "[::1]:5432", "localhost:5432"]) {
    assert.deepEqual(order({ net }), local, net);
  }
  assert.deepEqual(order({ net: `unix:${SOCKET}`, socket: SOCKET }), local);
  // The machine's units are none of a user's manager's.
  assert.deepEqual(unitOf("user", { net: "db.example.com:5432" }).all("Unit.After"), []);
});

Deno.test("daemonUnit shows the files that lead to the database when they are where it would see nothing", () => {
  const [hidden, shown] = [unitOf("system"), (path: string, access: Partial<DatabaseAccess>) => {
    const unit = unitOf("system", { net: `unix:${path}`, ...access });
    return [unit.one("Service.ProtectHome"), unit.all("Service.PrivateTmp").join()];
  }];
  assert.equal(hidden.one("Service.ProtectHome"), "yes");
  assert.equal(hidden.one("Service.PrivateTmp"), "yes");
  assert.deepEqual(shown("/tmp/.s.PGSQL.5432", { socket: "/tmp/.s.PGSQL.5432" }), ["yes", ""]);
  assert.deepEqual(shown(SOCKET, { passfile: "/home/ada/pgpass" }), ["read-only", "yes"]);
  const unit = unitOf("system", { net: "db:5432", passfile: "/etc/evs/pgpass" });
  assert.equal(unit.environment["PGPASSFILE"], "/etc/evs/pgpass");
});
