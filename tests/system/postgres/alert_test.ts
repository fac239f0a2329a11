/**
 * An `evs alert` on each of two machines that share a database: what is of all nodes is told once, by
 * one of them, and by the other one if the first is lost: its end, with the id of its begin.
 */
import assert from "node:assert/strict";
import { attempt } from "../../../core/base/thrown.ts";
import { RunningEvs, until } from "../../helpers/evs.ts";
import { startPostgres } from "../../helpers/postgres.ts";
import { DaemonPlace } from "./daemon_place.ts";

interface Told {
  alert: string;
  state: string;
  id: string;
  socket: string;
  message: string;
}

const MEMORY = "SELECT memory FROM evs.alerts WHERE name = 'main'";

Deno.test("evs alert on each of two nodes tells once what is of both, and goes on where the other was lost", async () => {
  await using server = await startPostgres({ settings: { fsync: "off" } });
  const url = await server.database();
  const database = new URL(url).pathname.slice(1);
  await using one = await DaemonPlace.make();
  await using two = await DaemonPlace.make();
  const places = [one, two];
  for (const place of places) await place.ok(["daemon", "start", "--store", url]);
  await one.ok(["topic", "create", "t"]);
  await one.ok(["subscription", "create", "s", "t"]);
  const out = `${one.folder}/told`;
  await Deno.writeTextFile(out, "");
  const told = () =>
    Deno.readTextFileSync(out).split("\n").filter((line) => line !== "")
      .map((line): Told => JSON.parse(line));
  // Each line is one write.
  const tell = ["sh", "-c", `read -r line; echo "$line" >>${out}`];
  const flags = ["--lag", ">0", "--nodes", "<2", "--every", "200ms", "--json"];
  const alerts = places.map((place) =>
    new RunningEvs(["alert", ...flags, "--", ...tell], {
      at: place,
      env: { ...place.env, XDG_STATE_HOME: `${place.folder}/state` },
    })
  );
  try {
    await two.ok(["publish", "t", "n", "1"]);
    const lag = () => told().filter(({ alert }) => alert === "lag");
    await until(() => lag().length > 0);
    const [begin] = lag();
    assert.equal(begin!.state, "begin");
    // A kill before it is remembered that this was told would have it told again, with the same id.
    await until(async () => {
      const { conditions, untold } = JSON.parse(await server.sql(MEMORY, database));
      const isHeld = conditions.some(({ measure }: { measure: string }) => measure === "lag");
      return isHeld && untold.length === 0;
    });
    // Then it is lost: the other one has to find what was begun.
    const teller = places.findIndex(({ socket }) => socket === begin!.socket);
    assert.notEqual(teller, -1, begin!.socket);
    alerts[teller]!.child.kill("SIGKILL");
    await alerts[teller]!.end();
    const other = places[1 - teller]!;
    await other.ok(["consume", "t", "--name", "s", "--until-empty", "--", "true"]);
    await until(() => lag().some(({ state }) => state === "end"));
    const lines = lag();
    assert.deepEqual(lines.map(({ state, id }) => [state, id]), [
      ["begin", begin!.id],
      ["end", begin!.id],
    ]);
    assert.equal(lines[1]!.socket, other.socket, "the other one has told it");
  } finally {
    // One of them has ended.
    for (const alert of alerts) attempt(() => alert.child.kill("SIGTERM"));
    await Promise.all(alerts.map((alert) => alert.end()));
  }
});
