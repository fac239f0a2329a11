/**
 * Contract row 22: whatever `evs` and its daemon do, they create no internet socket. The kernel is
 * the witness: every process of a whole session is traced, from the first `evs daemon start` to the
 * last `evs daemon stop`.
 */
import assert from "node:assert/strict";
import { startDaemon } from "../helpers/daemon.ts";
import { needTools, Place } from "../helpers/shell.ts";
import { STORES } from "../helpers/stores.ts";

/** A day's work. Each line is one that a user would type. */
const SESSION = `
# strace waits for the daemon too: it ends, whatever happens.
trap 'evs daemon stop || true' EXIT
evs daemon start --store "$1"
echo '{"type":"object","required":["n"]}' >schema.json
evs schema register n.made ./schema.json
evs schema list
evs topic create numbers
evs publish numbers n.made '{"n":1}'
jq -nc 'range(100) | {n: .}' | evs publish numbers n.made --ndjson
! evs publish numbers n.made '{}'
evs tail numbers -n 3 --no-follow
evs replay numbers --where 'payload.n > 90'
evs get numbers 1
evs expect numbers --count 3 --timeout 60s
evs consume numbers --name ok --until-empty --batch 50 -- cat
! evs consume numbers --name bad --until-empty --max 2 --max-retries 0 -- sh -c 'exit 65'
evs subscription list
evs dlq list
evs dlq groups
evs dlq show "$(evs dlq list | jq -rs '.[0].id')"
evs dlq retry --all
evs dlq export
evs export >all.ndjson
evs import <all.ndjson
evs backup all.tar
evs status
evs doctor || true
evs daemon logs
evs with -- sh -c 'evs publish private t 1 && evs replay private'
evs daemon stop
evs daemon run --store "$1" >run.out &
until test -s run.out; do sleep 0.05; done
evs publish numbers n.made '{"n":2}'
evs daemon stop
wait
`;

/**
 * Deno's cache without its note of when it last asked for a newer version: it believes that a day
 * is over, and would ask.
 */
async function forgetfulCache(place: Place): Promise<string> {
  const cache = place.env.DENO_DIR!;
  const copy = `${place.folder}/deno`;
  await Deno.mkdir(copy);
  for (const { name } of Deno.readDirSync(cache)) {
    if (name !== "latest.txt") await Deno.symlink(`${cache}/${name}`, `${copy}/${name}`);
  }
  return copy;
}

for (const store of STORES) {
  Deno.test(`evs and its daemon open no socket but Unix sockets through a whole session with the ${store} store`, async () => {
    needTools("strace", "jq");
    await using place = await Place.make();
    await Deno.writeTextFile(`${place.folder}/work/session.sh`, SESSION);
    const DENO_DIR = await forgetfulCache(place);
    await place.run(`strace -f -qq -e trace=network -o ../trace sh -eu ./session.sh ${store}`, {
      DENO_DIR,
    });
    const trace = await Deno.readTextFile(`${place.folder}/trace`);
    const sockets = [...trace.matchAll(/^\d+ +socket\((\w+), (\w+)/gm)];
    // A client for each command, and what three daemons listen with: the trace saw them all.
    assert.ok(sockets.length > 30, `${sockets.length} sockets`);
    assert.ok(trace.match(/\blisten\(/g)!.length >= 3, "the daemons were traced too");
    assert.deepEqual([...new Set(sockets.map(([, family]) => family))], ["AF_UNIX"]);
    assert.doesNotMatch(trace, /AF_INET/);
  });
}

Deno.test("a daemon that nobody but launch.ts started opens no socket but Unix sockets", async () => {
  needTools("strace");
  await using place = await Place.make();
  const trace = `${place.folder}/trace`;
  const wrapper = ["env", `DENO_DIR=${await forgetfulCache(place)}`]
    .concat("strace", "-f", "-qq", "-e", "trace=network", "-o", trace);
  await using daemon = await startDaemon({ wrapper });
  for (let n = 0; n < 50; n++) await daemon.publish("t", "n", n);
  await daemon.stop();
  const families = (await Deno.readTextFile(trace)).matchAll(/ socket\((\w+),/g);
  assert.deepEqual([...new Set([...families].map(([, family]) => family))], ["AF_UNIX"]);
});

Deno.test("a daemon opens no TCP socket though the environment asks every Deno program for telemetry", async () => {
  needTools("strace");
  const folder = await Deno.makeTempDir();
  const asked = {
    OTEL_DENO: "true",
    OTEL_EXPORTER_OTLP_ENDPOINT: "http://127.0.0.1:1",
    OTEL_METRIC_EXPORT_INTERVAL: "100",
    OTEL_BSP_SCHEDULE_DELAY: "100",
  };
  try {
    for (const [name, value] of Object.entries(asked)) Deno.env.set(name, value);
    const wrapper = ["strace", "-f", "-qq", "-e", "trace=network", "-o", `${folder}/trace`];
    await using daemon = await startDaemon({ wrapper });
    await daemon.publish("t", "x", 1);
    await daemon.http("GET", "/v1/status");
    await daemon.stop();
    const trace = await Deno.readTextFile(`${folder}/trace`);
    assert.match(trace, /AF_UNIX/);
    assert.doesNotMatch(trace, /AF_INET/);
  } finally {
    for (const name of Object.keys(asked)) Deno.env.delete(name);
    await Deno.remove(folder, { recursive: true });
  }
});
