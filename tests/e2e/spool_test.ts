/**
 * `evs publish --spool`: what finds no daemon is kept in the data dir, taken in once and in order,
 * and what is refused then is put aside with the reason.
 */
import assert from "node:assert/strict";
import { newDaemon, startDaemon, type TestDaemon } from "../helpers/daemon.ts";
import { evs, evsCommand, RunningEvs, until } from "../helpers/evs.ts";
import { LossyProxy } from "../helpers/lossy_proxy.ts";
import { STORES } from "../helpers/stores.ts";

async function publish(at: TestDaemon, args: string[], stdin?: string) {
  const result = await evs(["publish", ...args, "--spool"], {
    at,
    ...(stdin === undefined ? {} : { stdin }),
    env: { EVS_CONFIG: at.config },
  });
  return { ...result, json: result.code === 0 ? JSON.parse(result.stdout) : undefined };
}

async function listed(at: TestDaemon, ...args: string[]) {
  const { code, stdout, stderr } = await evs(["spool", "list", ...args], {
    at,
    env: { EVS_CONFIG: at.config },
  });
  assert.equal(code, 0, stderr);
  return stdout.split("\n").filter(Boolean).map((line) => JSON.parse(line));
}

/** Resolves once nothing waits in the spool. */
async function takenIn(at: TestDaemon): Promise<void> {
  await until(async () => !(await at.http("GET", "/v1/status")).json.spool?.[0]?.waiting);
}

async function payloads(at: TestDaemon, topic = "t"): Promise<unknown[]> {
  return (await at.replay(topic)).map(({ payload }) => payload);
}

for (const store of STORES) {
  Deno.test(`evs publish --spool keeps events while no daemon runs, and the next one stores them in order (${store})`, async () => {
    await using at = await newDaemon({ store });
    const before = Date.now();
    const first = await publish(at, ["t", "x", ' {"n":\n9007199254740993} ', "--key", "k"]);
    assert.equal(first.code, 0, first.stderr);
    const { id } = first.json;
    assert.deepEqual(first.json, { topic: "t", id, spooled: true });
    const named = await publish(at, ["t", "x", "-", "--id", "mine", "--meta", "a=b"], "2\n");
    assert.deepEqual(named.json, { topic: "t", id: "mine", spooled: true });
    const lines = await publish(
      at,
      ["t", "y", "--ndjson", "--key-pointer", "/k"],
      '{"k":1}\n\n{"k":2}',
    );
    assert.deepEqual([lines.json.count, lines.json.spooled, lines.json.spooledCount], [0, true, 2]);
    await publish(at, ["t", "z", "--lines", "--id-prefix", "p"], "eins\n");
    await publish(at, ["t", "z", "zwei", "--text"]);
    await publish(
      at,
      ["t", "--envelope"],
      '{"type":"e","id":"own","payload":5}\n{"type":"e","payload":6}\n',
    );
    const rows = await listed(at);
    assert.ok(rows.every(({ state }) => state === "waiting"));
    assert.equal(rows.reduce((sum, { events }) => sum + events, 0), 8);
    const after = Date.now();

    await at.start();
    await takenIn(at);
    const events = await at.replay("t");
    assert.deepEqual(events.map(({ payload }) => payload), [
      { n: Number("9007199254740993") },
      2,
      { k: 1 },
      { k: 2 },
      "eins",
      "zwei",
      5,
      6,
    ]);
    const ids: string[] = events.map((event) => event.id);
    assert.deepEqual([ids[0], ids[1], ids[4], ids[6]], [id, "mine", "p-1", "own"]);
    assert.deepEqual(events.slice(0, 4).map(({ key }) => key), ["k", undefined, "1", "2"]);
    assert.deepEqual(events[1].metadata, { a: "b" });
    assert.match((await at.http("GET", "/v1/topics/t/events?to=1")).text, /9007199254740993/);
    for (const { timestamp } of events) assert.ok(timestamp >= before && timestamp <= after);
    assert.deepEqual(await listed(at), []);
    assert.equal((await at.http("GET", "/v1/status")).json.spool, undefined);
    const again = await publish(at, ["t", "x", "9", "--id", "mine"]);
    assert.equal(again.json.duplicate, true);
  });
}

Deno.test("evs publish --spool publishes at once when a daemon answers, and spools nothing that it refuses", async () => {
  await using at = await startDaemon();
  await at.http("PUT", "/v1/schemas/checked", { type: "object" });
  const { json } = await publish(at, ["t", "x", "1"]);
  assert.deepEqual(json, { topic: "t", seq: 1, id: json.id });
  const lines = await publish(at, ["t", "x", "--lines"], "a\nb\n");
  assert.deepEqual([lines.json.count, lines.json.spooled], [2, undefined]);
  assert.equal((await publish(at, ["t", "checked", "1"])).code, 4);
  assert.equal((await publish(at, ["t", "checked", "--ndjson"], "1\n")).code, 4);
  assert.deepEqual(await listed(at), []);
});

Deno.test("evs publish --spool refuses what a daemon would have to answer, and payloads that are not JSON", async () => {
  await using at = await newDaemon();
  const cases: [args: string[], stdin: string | undefined, code: number, says: RegExp][] = [
    [["t", "x", "1", "--expect", "none"], undefined, 2, /--expect does not go with --spool/],
    [["t", "x", "1", "--delay", "1h"], undefined, 2, /--delay does not go with --spool/],
    [["t", "x", "1", "--at", "2031-01-01"], undefined, 2, /--at does not go with --spool/],
    [["t", "--cloudevents"], "{}", 2, /--spool does not go with --cloudevents/],
    [["t", "x", "{"], undefined, 4, /not valid JSON.*nothing was stored/],
  ];
  for (const [args, stdin, code, says] of cases) {
    const result = await publish(at, args, stdin);
    assert.deepEqual([result.code, result.stdout], [code, ""], args.join(" ") + result.stderr);
    assert.match(result.stderr, says);
  }
  assert.deepEqual(await listed(at), []);
  const stopped = await evs(["publish", "t", "x", "--ndjson", "--spool"], {
    at,
    stdin: "1\n2\n{\n4\n",
  });
  assert.equal(stopped.code, 4);
  assert.match(stopped.stderr, /line 3: .*2 events before it were kept, nothing behind it/);
  const skipped = await evs(["publish", "t", "x", "--ndjson", "--spool", "--on-error", "skip"], {
    at,
    stdin: "5\n{\n7\n",
  });
  assert.equal(skipped.code, 6, skipped.stderr);
  await at.start();
  await takenIn(at);
  assert.deepEqual(await payloads(at), [1, 2, 5, 7]);
});

Deno.test("evs publish --spool stores an event once when a daemon stored it and its answer was lost", async () => {
  await using at = await startDaemon();
  await using proxy = new LossyProxy(`${at.folder}/proxy.sock`, at.socket);
  proxy.which = /"duplicates":/;
  proxy.lose = 1;
  const through = { socket: proxy.socket, dataDir: at.dataDir };
  const { code, stdout, stderr } = await evs(["publish", "t", "x", "1", "--spool"], {
    at: through,
  });
  assert.equal(code, 0, stderr);
  assert.equal(JSON.parse(stdout).spooled, true);
  proxy.lose = 1;
  const lines = await evs(["publish", "t", "x", "--ndjson", "--spool"], {
    at: through,
    stdin: "2\n3\n",
  });
  assert.equal(lines.code, 0, lines.stderr);
  assert.equal(JSON.parse(lines.stdout).spooledCount, 2);
  assert.equal(proxy.lost, 2);
  await takenIn(at);
  assert.deepEqual(await payloads(at), [1, 2, 3]);
  assert.deepEqual(await listed(at), []);
});

Deno.test("a daemon stores an event once when its file in the spool is older than ids are remembered", async () => {
  await using at = await newDaemon({ config: 'dedup_window = "1s"\n' });
  await publish(at, ["t", "x", "1", "--id", "a"]);
  const [{ path }] = await listed(at);
  const file = await Deno.readFile(path);
  await at.start();
  await takenIn(at);
  await at.publish("t", "x", 2);
  const first = (await at.replay("t"))[0].timestamp;
  await until(() => Date.now() > first + 2000);
  await at.kill();
  // As if the daemon had been killed after the event was durable, before the file was removed.
  await Deno.writeFile(path, file);
  await at.start();
  await takenIn(at);
  assert.deepEqual(await payloads(at), [1, 2]);
});

Deno.test("a daemon that stood still takes in what was spooled meanwhile, without being asked", async () => {
  await using at = await startDaemon();
  Deno.kill(at.pid, "SIGSTOP");
  const { code, json, stderr } = await publish(at, ["t", "x", "1"]);
  assert.equal(code, 0, stderr);
  assert.equal(json.spooled, true);
  Deno.kill(at.pid, "SIGCONT");
  await until(async () => (await at.http("GET", "/v1/topics")).json.topics.length === 1);
  await until(async () => (await payloads(at)).length === 1);
  // Nobody takes it in but the daemon: each look at the status above only counts.
  await until(async () => (await listed(at)).length === 0);
});

Deno.test("evs publish --wait waits for a daemon before it spools", async () => {
  await using at = await newDaemon();
  const waiting = new RunningEvs(["publish", "t", "x", "1", "--spool", "--wait", "10m"], { at });
  await at.start();
  assert.equal((await waiting.end()).code, 0, waiting.stderr);
  assert.equal(JSON.parse(waiting.stdout).seq, 1);
  await at.kill();
  const gaveUp = await publish(at, ["t", "x", "2", "--wait", "50ms"]);
  assert.equal(gaveUp.json.spooled, true);
});

Deno.test("evs publish --spool spools the rest of a stream when the daemon goes away in the middle", async () => {
  await using at = await startDaemon();
  const command = new Deno.Command("sh", {
    args: ["-c", "for n in 1 2 3; do echo $n; read -r _; done; seq 4 2000"],
    stdin: "piped",
    stdout: "piped",
  }).spawn();
  const child = evsCommand(["publish", "t", "n", "--ndjson", "--spool"], { at, stdin: "" });
  const stream = new Deno.Command(child.program, child.options).spawn();
  void command.stdout.pipeTo(stream.stdin);
  const next = command.stdin.getWriter();
  await until(async () => (await at.http("GET", "/v1/topics")).json.topics.length === 1);
  await until(async () => (await payloads(at)).length === 1);
  await at.kill();
  for (let n = 0; n < 3; n++) await next.write(new TextEncoder().encode("\n"));
  const { code, stdout } = await stream.output();
  assert.equal(code, 0);
  const { count, spooledCount } = JSON.parse(new TextDecoder().decode(stdout));
  assert.equal(count + spooledCount, 2000);
  // The answer for the first one may have been lost; it is stored once all the same.
  assert.ok(count <= 1, `${count} events before the daemon went away`);
  await next.close();
  await command.status;
  await at.start();
  await takenIn(at);
  assert.deepEqual(await payloads(at), Array.from({ length: 2000 }, (_, n) => n + 1));
});

Deno.test("a daemon puts aside what it refuses from the spool, and evs spool retry has it taken in again", async () => {
  await using at = await startDaemon({
    config: "auto_create_topics = false\nmax_event_bytes = 1024\n",
  });
  await at.http("PUT", "/v1/topics/t", {});
  await at.http("PUT", "/v1/schemas/number", { type: "integer" });
  await at.stop();
  await publish(at, ["t", "number", "--ndjson", "--id-prefix", "p"], '1\n"two"\n3\n"four"\n5\n');
  await publish(at, ["t", "x", "--text", "y".repeat(2000)]);
  await publish(at, ["nowhere", "x", "1"]);
  await publish(at, ["t", "x", '"last"']);
  await at.start();
  await takenIn(at);
  assert.deepEqual(await payloads(at), [1, 3, 5, "last"]);
  const logged = async () =>
    (await Deno.readTextFile(`${at.dataDir}/log/daemon.log`)).trim().split("\n")
      .map((line) => JSON.parse(line)).filter(({ message }) => /were refused/.test(message));
  await until(async () => (await logged()).length === 3);
  const told = (await logged()).find(({ count }) => count === 2);
  assert.equal(told.message, "spooled events were refused: 2 for t: evs spool list");
  assert.deepEqual([told.level, told.code], ["warning", "event/schema-violation"]);
  assert.match(told.reason, /must be a whole number/);
  const { spool } = (await at.http("GET", "/v1/status")).json;
  assert.deepEqual(spool, [{ folder: `${at.dataDir}/spool`, waiting: 0, refused: 4 }]);
  assert.match((await at.http("GET", "/metrics")).text, /^evs_spool_refused 4$/m);
  const status = await evs(["status"], { at });
  assert.equal(JSON.parse(status.stdout).spool[0].refused, 4);
  const refused = await listed(at, "--refused");
  assert.deepEqual(
    refused.map((
      { topic, refused },
    ) => [
      topic,
      refused.map(({ line, code }: { line: number; code: string }) => `${line} ${code}`),
    ]),
    [
      ["t", ["2 event/schema-violation", "4 event/schema-violation"]],
      ["t", ["1 event/too-large"]],
      ["nowhere", ["1 topic/not-found"]],
    ],
  );
  const doctor = await evs(["doctor", "--json"], { at });
  assert.equal(doctor.code, 0, doctor.stdout);
  assert.match(doctor.stdout, /"check":"spool","level":"warning".*4 events refused/);

  await at.http("DELETE", "/v1/schemas/number/1.0");
  await at.http("DELETE", "/v1/schemas/number");
  const retried = await evs(["spool", "retry", refused[0].id], { at });
  assert.deepEqual(JSON.parse(retried.stdout), { retried: 1, events: 2 }, retried.stderr);
  await until(async () => (await payloads(at)).length === 6);
  const ids = (await at.replay("t")).map(({ id }) => id).filter((id) => id.startsWith("p-"));
  assert.deepEqual(ids, ["p-1", "p-3", "p-5", "p-2", "p-4"]);
  const unknown = await evs(["spool", "retry", "00000000", "--json"], { at });
  assert.equal(JSON.parse(unknown.stderr).error.code, "spool/not-found");
  assert.equal((await evs(["spool", "retry"], { at })).code, 2);
  const kept = await evs(["spool", "remove", "--refused"], { at });
  assert.equal(kept.code, 2, "nobody can be asked");
  const removed = await evs(["spool", "remove", "--refused", "--yes"], { at });
  assert.deepEqual(JSON.parse(removed.stdout), { removed: 2, events: 2 });
  assert.deepEqual(await listed(at), []);
});

Deno.test("a spool that is full refuses with exit code 7, and keeps what it has", async () => {
  await using at = await newDaemon({ config: "[spool]\nmax_events = 3\nmax_bytes = 65536\n" });
  await publish(at, ["t", "x", "--ndjson"], "1\n2\n");
  await publish(at, ["t", "x", "3"]);
  const full = await publish(at, ["t", "x", "4", "--json"]);
  assert.equal(full.code, 7);
  assert.equal(JSON.parse(full.stderr).error.code, "spool/full");
  await evs(["spool", "remove", (await listed(at))[1].id, "--yes"], { at });
  const large = await publish(at, ["t", "x", JSON.stringify("y".repeat(70_000)), "--json"]);
  assert.equal(JSON.parse(large.stderr).error.code, "spool/full");
  const stream = await publish(at, ["t", "x", "--ndjson"], "5\n6\n");
  assert.equal(stream.code, 7);
  assert.match(stream.stderr, /is full/);
  await at.start();
  await takenIn(at);
  assert.deepEqual(await payloads(at), [1, 2]);
});

Deno.test("a damaged file of the spool is put aside and named, and what a killed publisher left is removed", async () => {
  await using at = await newDaemon();
  for (const n of ["1", "2", "3"]) await publish(at, ["t", "x", n]);
  const [, { path, id }] = await listed(at);
  const bytes = await Deno.readFile(path);
  bytes[bytes.length - 2]! ^= 1;
  await Deno.writeFile(path, bytes);
  await Deno.writeTextFile(`${at.dataDir}/spool/.new-01234567`, "evs-spool 1 ");
  await Deno.mkdir(`${at.dataDir}/log`, { mode: 0o700 });
  const before = await evs(["doctor", "--json"], { at });
  assert.match(
    before.stdout,
    /"level":"damage","where":"spool\/0*2-[^"]*","what":"it does not match/,
  );
  await at.start();
  await takenIn(at);
  assert.deepEqual(await payloads(at), [1, 3]);
  assert.deepEqual((await listed(at)).map(({ id, state }) => [id, state]), [[id, "damaged"]]);
  const doctor = await evs(["doctor", "--json"], { at });
  assert.equal(doctor.code, 1);
  assert.match(doctor.stdout, /"level":"damage","where":"spool\/refused\/0*2-/);
  assert.deepEqual([...Deno.readDirSync(`${at.dataDir}/spool`)].map(({ name }) => name), [
    "refused",
  ]);
  assert.equal((await evs(["spool", "remove", id, "--yes"], { at })).code, 0);
  assert.equal((await evs(["doctor"], { at })).code, 0);
});

Deno.test("several evs publish --spool at once lose nothing, and each keeps its order", async () => {
  await using at = await newDaemon();
  const writers = Array.from({ length: 6 }, async (_, who) => {
    const stdin = Array.from({ length: 20 }, (_, n) => `"${who}-${n}"\n`).join("");
    for (const part of [stdin.slice(0, 60), stdin.slice(60)]) {
      const whole = part.split("\n").filter((line) => line.length > 0);
      const { code, stderr } = await publish(at, ["t", "x", "--ndjson"], whole.join("\n"));
      assert.equal(code, 0, stderr);
    }
  });
  await Promise.all(writers);
  await at.start();
  await takenIn(at);
  const found = await payloads(at) as string[];
  assert.equal(found.length, 6 * 20);
  for (let who = 0; who < 6; who++) {
    const own = found.filter((payload) => payload.startsWith(`${who}-`));
    assert.deepEqual(own, Array.from({ length: 20 }, (_, n) => `${who}-${n}`));
  }
});

Deno.test("evs backup has what waits in the spool, and a restored data dir takes it in", async () => {
  await using at = await startDaemon();
  await at.publish("t", "x", 1);
  await at.stop();
  await publish(at, ["t", "x", "2"]);
  const file = `${at.folder}/backup`;
  const backup = await evs(["backup", file], { at });
  assert.equal(backup.code, 0, backup.stderr);
  await Deno.remove(at.dataDir, { recursive: true });
  const restored = await evs(["restore", file], { at });
  assert.equal(restored.code, 0, restored.stderr);
  await at.start();
  await takenIn(at);
  assert.deepEqual(await payloads(at), [1, 2]);
});

Deno.test("spool.folder names a spool outside the data dir, which a daemon takes in, too", async () => {
  await using at = await newDaemon();
  const folder = `${at.folder}/shared`;
  await Deno.writeTextFile(at.config, `[spool]\nfolder = "${folder}"\n`);
  const run = (...args: string[]) => evs(args, { at, env: { EVS_CONFIG: at.config } });
  // Before the config named it.
  await evs(["publish", "t", "x", "0", "--spool"], { at });
  await Deno.mkdir(folder, { mode: 0o700 });
  assert.equal(JSON.parse((await run("publish", "t", "x", "1", "--spool")).stdout).spooled, true);
  assert.equal((await listed(at)).length, 2);
  const started = await run("daemon", "start");
  assert.equal(started.code, 0, started.stderr);
  try {
    const events = async () =>
      (await run("replay", "t")).stdout.split("\n").filter(Boolean).map((line) =>
        JSON.parse(line).payload
      );
    await until(async () => (await events()).length === 2);
    // Files go after their events are stored.
    await until(() => [...Deno.readDirSync(folder)].length === 0);
    // Spooled by somebody who does not know the data dir, and so cannot send a signal.
    const { pid } = JSON.parse(started.stdout);
    Deno.kill(pid, "SIGSTOP");
    const spooled = await evs(["publish", "t", "x", "2", "--spool"], {
      at: { dataDir: `${at.folder}/elsewhere`, socket: at.socket },
      env: { EVS_CONFIG: at.config },
    });
    assert.equal(JSON.parse(spooled.stdout).spooled, true, spooled.stderr);
    assert.equal([...Deno.readDirSync(folder)].length, 1);
    Deno.kill(pid, "SIGCONT");
    // Nobody connects meanwhile.
    await until(() => [...Deno.readDirSync(folder)].length === 0);
    assert.deepEqual((await events()).length, 3);
    const status = JSON.parse((await run("status")).stdout);
    assert.ok(
      status.permissions.some((flag: string) =>
        flag.startsWith("--allow-write=") && flag.includes(folder)
      ),
    );
  } finally {
    assert.equal((await run("daemon", "stop")).code, 0);
  }
});
