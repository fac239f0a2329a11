/** Printing events with `evs tail` and `evs replay`. */
import assert from "node:assert/strict";
import { startDaemon } from "../helpers/daemon.ts";
import { evs, evsCommand, RunningEvs, until } from "../helpers/evs.ts";

function payloads(stdout: string): unknown[] {
  return stdout.split("\n").filter(Boolean).map((line) => JSON.parse(line).payload);
}

Deno.test("replay prints what is stored, by offset, type, filter and limit", async () => {
  await using at = await startDaemon();
  await at.publish("t", "a", { n: 1 }, { n: 2 }, { n: 3 });
  await at.publish("t", "b", { n: 4 });
  await at.publish("t", "a", { n: 5 });
  const cases: [string[], number[]][] = [
    [[], [1, 2, 3, 4, 5]],
    [["--from", "2", "--to", "4"], [2, 3, 4]],
    [["--from", "-2"], [4, 5]],
    [["--type", "b"], [4]],
    [["--where", "payload.n > 2 && event.type == 'a'"], [3, 5]],
    [["--limit", "2"], [1, 2]],
    [["--from=@-1h", "--type", "a", "--type", "b"], [1, 2, 3, 4, 5]],
    [["--from", "end"], []],
    [["--speed", "10x"], [1, 2, 3, 4, 5]],
  ];
  for (const [args, expected] of cases) {
    const { code, stdout, stderr } = await evs(["replay", "t", ...args], { at });
    assert.equal(code, 0, stderr);
    assert.deepEqual(payloads(stdout), expected.map((n) => ({ n })), args.join(" "));
    assert.equal(stderr, "");
  }
});

Deno.test("replay --into publishes the events with their ids, once, and --dry-run only counts", async () => {
  await using at = await startDaemon();
  await at.publish("t", "a", 1, 2, 3);
  const dry = await evs(["replay", "t", "--into", "copy", "--dry-run"], { at });
  assert.deepEqual(JSON.parse(dry.stdout), {
    topics: ["t"],
    into: "copy",
    events: 3,
    dryRun: true,
  });
  for (const [count, duplicates] of [[3, 0], [0, 3]]) {
    const { code, stdout, stderr } = await evs(["replay", "t", "--into", "copy"], { at });
    assert.equal(code, 0, stderr);
    const reply = JSON.parse(stdout);
    assert.deepEqual([reply.count, reply.duplicates], [count, duplicates]);
  }
  const ids = (topic: string) => at.replay(topic).then((events) => events.map(({ id }) => id));
  assert.deepEqual(await ids("copy"), await ids("t"));
});

Deno.test("replay --into leaves the topic itself out when a pattern matches it, and refuses it by name", async () => {
  await using at = await startDaemon();
  await at.publish("orders.a", "x", 1, 2);
  await at.publish("orders.b", "x", 3);
  await at.publish("orders.all", "x", "own");
  const said = "evs: orders.all is left out: its events are not copied into itself\n";
  const into = ["--into", "orders.all"];
  for (const patterns of [["orders.*"], ["**"], ["orders.a", "orders.*"], ["orders.a", "**.all"]]) {
    const dry = await evs(["replay", ...patterns, ...into, "--dry-run"], { at });
    assert.deepEqual([dry.code, dry.stderr], [0, said]);
    const events = patterns[1] === "**.all" ? 2 : 3;
    assert.equal(JSON.parse(dry.stdout).events, events, patterns.join(" "));
  }
  // Run twice: what was copied is not copied again.
  for (const count of [3, 0]) {
    const copied = await evs(["replay", "orders.*", ...into], { at });
    assert.deepEqual([copied.code, copied.stderr], [0, said]);
    const { count: stored, duplicates } = JSON.parse(copied.stdout);
    assert.deepEqual([stored, duplicates], [count, 3 - count]);
  }
  const payloads = async (topic: string) => (await at.replay(topic)).map(({ payload }) => payload);
  assert.deepEqual((await payloads("orders.all")).sort(), [1, 2, 3, "own"]);
  // A limit counts what is copied.
  const limited = await evs(["replay", "**", "--into", "orders.all", "--limit", "2", "--dry-run"], {
    at,
  });
  assert.equal(JSON.parse(limited.stdout).events, 2);
  // Nothing else is left out, and nothing is said where it does not match. A copy has the same id.
  const other = await evs(["replay", "orders.*", "--into", "copy"], { at });
  assert.deepEqual([other.code, other.stderr, JSON.parse(other.stdout).count], [0, "", 4]);
  for (const topics of [["orders.all"], ["orders.a", "orders.all"], ["orders.*", "orders.all"]]) {
    const refused = await evs(["replay", ...topics, ...into], { at });
    assert.equal(refused.code, 2);
    assert.match(refused.stderr, /cannot replay orders\.all into itself/);
  }
  assert.equal((await payloads("orders.all")).length, 4);
  const { text } = await at.http("GET", "/v1/events?topic=orders.*&except=orders.all");
  assert.equal(text.split("\n").filter(Boolean).length, 3);
  assert.equal((await at.http("GET", "/v1/events?topic=**&except=a b")).status, 400);
});

Deno.test("an unknown topic or event ends with 1 and the nearest names", async () => {
  await using at = await startDaemon();
  await at.publish("users", "a", 1);
  for (
    const args of [["replay", "user"], ["tail", "user", "--no-follow"], ["get", "user", "1"]]
  ) {
    const { code, stderr, stdout } = await evs(args, { at });
    assert.equal(code, 1, `${args.join(" ")}: ${stderr}`);
    assert.match(stderr, /users/);
    assert.equal(stdout, "");
  }
  const missing = await evs(["get", "users", "7"], { at });
  assert.equal(missing.code, 1, missing.stderr);
});

Deno.test("get prints one event by seq and by id", async () => {
  await using at = await startDaemon();
  await evs(["publish", "t", "x", `{"a":1.0}`, "--id", "mine"], { at });
  const bySeq = await evs(["get", "t", "1"], { at });
  assert.equal(bySeq.code, 0, bySeq.stderr);
  assert.match(bySeq.stdout, /^\{"seq":1,"id":"mine".*"payload":\{"a":1\.0\}\}\n$/);
  assert.deepEqual(await evs(["get", "t", "mine"], { at }), bySeq);
});

Deno.test("tail shows the last events, follows, and goes on without a gap over kill -9", async () => {
  await using at = await startDaemon();
  await at.publish("t", "a", ...Array.from({ length: 15 }, (_, i) => i + 1));
  const tail = new RunningEvs(["tail", "t"], { at });
  await until(() => payloads(tail.stdout).length === 10);
  assert.deepEqual(payloads(tail.stdout), [6, 7, 8, 9, 10, 11, 12, 13, 14, 15]);
  await at.publish("t", "a", 16);
  await until(() => payloads(tail.stdout).length === 11);
  await at.kill("SIGKILL");
  await tail.said(/the daemon went away; waiting for it to come back/);
  await at.start();
  await at.publish("t", "a", 17, 18);
  await until(() => payloads(tail.stdout).length === 13);
  assert.deepEqual(payloads(tail.stdout).slice(-3), [16, 17, 18]);
  await tail.said(/the daemon is back; going on without a gap/);
  tail.child.kill("SIGINT");
  const { code } = await tail.end();
  assert.equal(code, 130);
});

Deno.test("tail of a pattern begins at 1 of a topic that came while the daemon was away", async () => {
  await using at = await startDaemon();
  await at.publish("o.a", "x", 1);
  const tail = new RunningEvs(["tail", "o.*", "-n", "0"], { at });
  await until(async () => (await at.http("GET", "/v1/status")).json.tails === 1);
  await at.kill("SIGKILL");
  await at.start();
  await at.publish("o.b", "x", 2, 3);
  await at.publish("o.a", "x", 4);
  await until(() => payloads(tail.stdout).length === 3);
  assert.deepEqual(payloads(tail.stdout).sort(), [2, 3, 4]);
  tail.child.kill("SIGKILL");
  await tail.end();
});

Deno.test("tail of a pattern goes on without a gap when it has seen thousands of topics", async () => {
  await using at = await startDaemon();
  const names = Array.from({ length: 2000 }, (_, i) => `orders.shop-${i}.placed`);
  for (let i = 0; i < names.length; i += 100) {
    await Promise.all(names.slice(i, i + 100).map((name) => at.publish(name, "x", 1)));
  }
  const tail = new RunningEvs(["tail", "**", "-n", "0"], { at });
  await until(async () => (await at.http("GET", "/v1/status")).json.tails === 1);
  await at.kill("SIGKILL");
  await at.start();
  await at.publish(names[0]!, "x", 2);
  await at.publish(names[1999]!, "x", 3);
  await until(() => payloads(tail.stdout).length === 2);
  assert.deepEqual(payloads(tail.stdout).sort(), [2, 3]);
  tail.child.kill("SIGKILL");
  await tail.end();
});

Deno.test("a closed pipe ends tail quietly with 0, without waiting for another event", async () => {
  await using at = await startDaemon();
  await at.publish("t", "a", 1, 2, 3);
  const command = evsCommand(["tail", "t"], { at });
  const child = new Deno.Command(command.program, command.options).spawn();
  const reader = child.stdout.getReader();
  await reader.read();
  await reader.cancel();
  const stderr = await new Response(child.stderr).text();
  const { code } = await child.status;
  assert.equal(stderr, "");
  assert.equal(code, 0);
});

Deno.test("expect waits for a topic that is not there yet, and prints what it waited for", async () => {
  await using at = await startDaemon();
  const expecting = new RunningEvs(
    ["expect", "t", "--type", "b", "--count", "2", "--timeout", "10m"],
    { at },
  );
  await until(async () => (await at.http("GET", "/v1/status")).json.tails === 1);
  await at.publish("t", "a", 1);
  await at.publish("t", "b", 2, 3, 4);
  const { code } = await expecting.end();
  assert.equal(code, 0, expecting.stderr);
  assert.deepEqual(payloads(expecting.stdout), [2, 3]);
});

Deno.test("expect ends with 1 and tells what it saw when the time is over", async () => {
  await using at = await startDaemon();
  await at.publish("t", "a", 1);
  const { code, stdout, stderr } = await evs(
    // Time enough to have seen the first one, on any machine.
    ["expect", "t", "--count", "2", "--timeout", "6s"],
    { at },
  );
  assert.equal(code, 1);
  assert.match(stderr, /saw 1 of 2 events in t within 6s/);
  assert.deepEqual(payloads(stdout), [1]);
});
