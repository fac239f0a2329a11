/**
 * The metrics of three daemons on one database, as a Prometheus scrapes each of them: what is of the
 * whole is the same on all, whoever has the parts, and what is of a node adds up to what happened.
 */
import assert from "node:assert/strict";
import { Client } from "../../../core/client/client.ts";
import { RunningEvs, until } from "../../helpers/evs.ts";
import { type PostgresServer, startPostgres } from "../../helpers/postgres.ts";
import { DaemonPlace } from "./daemon_place.ts";

type Samples = Map<string, number>;

async function textOf({ socket }: DaemonPlace): Promise<string> {
  using client = new Client({ socket });
  return await (await client.fetchAny({ method: "GET", path: "/metrics" })).text();
}

async function metricsOf(place: DaemonPlace): Promise<Samples> {
  const lines = (await textOf(place)).split("\n").filter((line) => /^\w/.test(line));
  return new Map(lines.map((line) => {
    const space = line.lastIndexOf(" ");
    return [line.slice(0, space), Number(line.slice(space + 1))];
  }));
}

const sum = (all: readonly Samples[], name: string) =>
  all.reduce((total, samples) => total + (samples.get(name) ?? NaN), 0);

/** Should it outlive its consumer, it holds up nobody who reads what that one says. */
const HANDLER = ["sh", "-c", "exec sleep 60 >/dev/null 2>&1"];

const OF_S = '{subscription="s"}';

/** What each of three nodes says while two of them consume. */
function assertNode(samples: Samples): void {
  assert.equal(samples.get('evs_nodes{state="alive"}'), 3);
  assert.equal(samples.get("evs_database_up"), 1);
  assert.ok(samples.get("evs_node_connections")! <= 10, "as docs/scaling.md has it");
  assert.ok(samples.get(`evs_subscription_oldest_pending_seconds${OF_S}`)! > 0);
}

async function lagOf(place: DaemonPlace): Promise<number> {
  const [{ subscriptions: [{ lag }] }] = await place.json(["top", "--json"]);
  return lag;
}

async function tellWhole(places: readonly DaemonPlace[]): Promise<void> {
  const [one, two, three] = places as [DaemonPlace, DaemonPlace, DaemonPlace];
  for (const [place, count] of [[one, 20], [two, 12]] as const) {
    const lines = Array.from({ length: count }, (_, n) => JSON.stringify({ n })).join("\n");
    await place.ok(["publish", "t", "made", "--ndjson", "--key-pointer", "/n"], lines);
  }
  await three.ok(["subscription", "create", "s", "t"]);
  const scrape = () => Promise.all(places.map(metricsOf));
  const everywhere = (name: string, value: number) =>
    until(async () => (await scrape()).every((samples) => samples.get(name) === value));
  // Nobody consumes: nobody owns a part, and each node tells of all that waits.
  await everywhere(`evs_subscription_pending${OF_S}`, 32);
  await everywhere(`evs_subscription_parts_unowned${OF_S}`, 16);
  await everywhere('evs_topic_events{topic="t"}', 32);
  const published = 'evs_topic_published_total{topic="t"}';
  assert.equal(sum(await scrape(), published), 32, "each counts what it stored itself");
  // Two of them consume, the third one tells as much of it.
  const consume = (place: DaemonPlace) =>
    new RunningEvs(["consume", "t", "--name", "s", "--", ...HANDLER], {
      at: place,
      env: place.env,
    });
  // Paused until they have shared the parts: a part whose event is handled does not change hands.
  await three.ok(["subscription", "pause", "s"]);
  const consumers = [consume(one), consume(two)];
  try {
    await until(async () => {
      const parts = (await scrape()).map((samples) => samples.get("evs_node_parts"));
      return parts.join() === "8,8,0";
    });
    await three.ok(["subscription", "resume", "s"]);
    await everywhere(`evs_subscription_parts_unowned${OF_S}`, 0);
    const lag = (samples: Samples) =>
      sum([samples], `evs_subscription_pending${OF_S}`) +
      sum([samples], `evs_subscription_in_flight${OF_S}`);
    // Whichever of them are leased, and by whom: of what is not read yet, about how many there are.
    await until(async () =>
      (await scrape()).every((samples) => samples.get("evs_leases")! >= 2 && lag(samples) > 16)
    );
    const all = await scrape();
    assert.equal(all[2]!.get(`evs_subscription_parts${OF_S}`), 0);
    assert.equal(sum(all, `evs_subscription_parts${OF_S}`), 16);
    const [{ subscriptions: [{ owners }] }] = await three.json(["top", "--json"]);
    const parts = owners.map((one: { parts: number }) => one.parts);
    assert.equal(parts.reduce((all: number, one: number) => all + one, 0), 16, "of each once");
    assert.ok(sum(all, "evs_node_parts_claimed_total") >= 16);
    assert.equal(sum(all, "evs_node_takeovers_total"), 0, "nobody was gone");
    for (const samples of all) assertNode(samples);
  } finally {
    for (const consumer of consumers) consumer.child.kill("SIGKILL");
    await Promise.all(consumers.map((consumer) => consumer.end()));
  }
  // The screen tells of the whole, too: all the same once nobody has anything of it.
  await everywhere("evs_leases", 0);
  await everywhere(`evs_subscription_parts_unowned${OF_S}`, 16);
  await until(async () => {
    const [lag, ...others] = await Promise.all(places.map(lagOf));
    return lag! > 0 && others.every((one) => one === lag);
  });
}

async function tellTakeovers(places: readonly DaemonPlace[]): Promise<void> {
  const [one, two] = places as [DaemonPlace, DaemonPlace];
  const consumer = new RunningEvs(
    ["consume", "t", "--name", "s", "--concurrency", "1", "--", ...HANDLER],
    { at: one, env: one.env },
  );
  await until(async () => (await metricsOf(one)).get("evs_node_parts") === 16);
  const { pid } = (await one.json(["status", "--json"]))[0];
  Deno.kill(pid, "SIGKILL");
  consumer.child.kill("SIGKILL");
  const next = new RunningEvs(["consume", "t", "--name", "s", "--", ...HANDLER], {
    at: two,
    env: two.env,
  });
  try {
    await until(async () => (await metricsOf(two)).get("evs_node_takeovers_total") === 16);
    assert.equal((await metricsOf(two)).get('evs_nodes{state="gone"}'), 1);
  } finally {
    next.child.kill("SIGKILL");
    await Promise.all([consumer.end(), next.end()]);
  }
}

async function tellLoss(server: PostgresServer, place: DaemonPlace): Promise<void> {
  const { pid } = (await place.json(["status", "--json"]))[0];
  await server.sql("ALTER SYSTEM SET synchronous_commit = off");
  await server.sql("SELECT pg_reload_conf()");
  await until(async () => (await metricsOf(place)).get("evs_database_durable") === 0);
  assert.equal((await metricsOf(place)).get("evs_health"), 1, "it was promised before");
  const [reply] = await place.json(["publish", "t", "made", "1"]);
  assert.equal(reply.durable, false);
  const { stdout } = await place.run(["status", "--json"]);
  assert.match(JSON.parse(stdout).problems.join(), /through no power cut any more/);
  await server.sql("ALTER SYSTEM RESET synchronous_commit");
  await server.sql("SELECT pg_reload_conf()");
  await until(async () => (await metricsOf(place)).get("evs_health") === 0);
  await server.kill();
  await until(async () => (await metricsOf(place)).get("evs_database_up") === 0);
  assert.equal((await metricsOf(place)).get(`evs_subscription_paused${OF_S}`), 0, "as it was");
  await server.start();
  await until(async () => (await metricsOf(place)).get("evs_database_up") === 1);
  assert.equal((await place.json(["status", "--json"]))[0].pid, pid);
}

/** Those of the table for nodes, and no others beside what every daemon has. */
async function areListed(place: DaemonPlace): Promise<void> {
  const page = await Deno.readTextFile(new URL("../../../docs/monitoring.md", import.meta.url));
  const [local, ofNodes] = page.split("\n## Several nodes\n");
  const listed = (text: string) =>
    new Set([...text.matchAll(/^\| `(evs_\w+)/gm)].map(([, name]) => name!));
  const everywhere = listed(local!);
  await until(async () => (await textOf(place)).includes("evs_node_wake_up_delay_seconds "));
  const told = [...(await textOf(place)).matchAll(/^# TYPE (\S+) /gm)].map(([, name]) => name!);
  assert.deepEqual(
    told.filter((name) => !everywhere.has(name)).sort(),
    [...listed(ofNodes!)].sort(),
  );
}

Deno.test("GET /metrics of daemons that share a database", async (t) => {
  await using server = await startPostgres();
  const url = await server.database();
  await using one = await DaemonPlace.make();
  await using two = await DaemonPlace.make();
  await using three = await DaemonPlace.make();
  const places = [one, two, three];
  for (const place of places) await place.ok(["daemon", "start", "--store", url]);
  await t.step("tells of the whole on each, and of each what is its own", () => tellWhole(places));
  await t.step("has the series that docs/monitoring.md lists", () => areListed(three));
  await t.step("counts what was taken over from a node that is gone", () => tellTakeovers(places));
  await t.step(
    "says that a commit is good for less, and that the database is away",
    () => tellLoss(server, three),
  );
});
