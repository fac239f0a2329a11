/**
 * `evs dlq retry` with an active consumer: the order of redelivery, and what is known about events
 * that fail again.
 */
import assert from "node:assert/strict";
import { startDaemon } from "../helpers/daemon.ts";
import { settleAll } from "../helpers/dead_letters.ts";
import { evs, RunningEvs, until } from "../helpers/evs.ts";

const EVENTS = 30;

async function daemonWithDead() {
  const at = await startDaemon();
  const lines = Array.from({ length: EVENTS }, (_, i) => `{"k":"one","n":${i + 1}}\n`).join("");
  await evs(["publish", "t", "x", "--ndjson", "--key-pointer", "/k"], { at, stdin: lines });
  const made = await at.http("PUT", "/v1/subscriptions/s", {
    topic: "t",
    settings: { maxRetries: 0 },
  });
  assert.equal(made.status, 201, made.text);
  await settleAll(at, { subscription: "s", judge: () => ({ error: "the first cause" }) });
  return at;
}

async function list(at: Awaited<ReturnType<typeof startDaemon>>) {
  const { stdout } = await evs(["dlq", "list"], { at });
  return stdout.split("\n").filter(Boolean).map((line) => JSON.parse(line));
}

Deno.test("dlq retry --rate sends the events of a key in order, whichever died last", async () => {
  await using at = await daemonWithDead();
  // The first event is sent alone and dies again: now it is the newest dead letter.
  const [first] = (await list(at)).filter(({ seq }) => seq === 1);
  assert.equal((await evs(["dlq", "retry", first.id], { at })).code, 0);
  await settleAll(at, { subscription: "s", judge: () => ({ error: "another cause" }) });
  const consumer = new RunningEvs([
    "consume",
    "t",
    "--name",
    "s",
    "--",
    "sh",
    "-c",
    "echo $EVS_SEQ",
  ], {
    at,
  });
  const sent = await evs(["dlq", "retry", "--all", "--rate", "50/s"], { at });
  assert.equal(JSON.parse(sent.stdout).count, EVENTS, sent.stderr);
  await until(async () => {
    const { json } = await at.http("GET", "/v1/subscriptions/s");
    return json.scheduled + json.leased === 0;
  });
  consumer.child.kill("SIGTERM");
  await consumer.end();
  const order = consumer.stdout.trim().split("\n").map(Number);
  assert.deepEqual(order, Array.from({ length: EVENTS }, (_, i) => i + 1));
});

Deno.test("dlq shows what failed last when an event failed again", async () => {
  await using at = await daemonWithDead();
  const before = (await list(at)).find(({ seq }) => seq === 1);
  await evs(["dlq", "retry", before.id], { at });
  await settleAll(at, { subscription: "s", judge: () => ({ error: "another cause" }) });
  const after = (await list(at))[0];
  assert.deepEqual([after.seq, after.reason, after.attempts], [1, "another cause", 2]);
  assert.ok(after.diedAt >= before.diedAt);
  const found = await evs(["dlq", "list", "--reason", "the first cause"], { at });
  assert.equal(found.stdout.trim().split("\n").length, EVENTS - 1);
  const shown = await evs(["dlq", "show", before.id], { at });
  const { attempts } = JSON.parse(shown.stdout);
  assert.deepEqual(attempts.map(({ error }: { error: string }) => error), [
    "the first cause",
    "another cause",
  ]);
});

Deno.test("dlq means the same age by --before in every command", async () => {
  await using at = await daemonWithDead();
  const count = async (args: string[]) => {
    const { stdout, stderr } = await evs(["dlq", ...args], { at });
    const lines = stdout.split("\n").filter(Boolean).map((line) => JSON.parse(line));
    assert.ok(lines.length > 0 || stderr === "", stderr);
    return lines.length === 1 && lines[0].bySubscription ? lines[0].count : lines.length;
  };
  for (const [age, expected] of [["0ms", EVENTS], ["1h", 0]] as const) {
    assert.equal(await count(["list", "--before", age]), expected);
    assert.equal(await count(["export", "--before", age]), expected);
    assert.equal(await count(["retry", "--before", age, "--dry-run"]), expected);
    assert.equal(await count(["purge", "--before", age, "--dry-run"]), expected);
    assert.equal(await count(["remove", "--before", age, "--dry-run"]), expected);
    const { stdout } = await evs(["dlq", "groups", "--before", age, "--json"], { at });
    assert.equal(stdout.includes("the first cause"), expected > 0, stdout);
  }
});

Deno.test("dlq purge calls itself a dry run only when it was asked for one, with nothing to remove too", async () => {
  await using at = await startDaemon();
  for (const [args, dryRun] of [[["--yes"], false], [["--dry-run"], true]] as const) {
    const { code, stdout } = await evs(["dlq", "purge", ...args, "--json"], { at });
    assert.equal(code, 0);
    assert.deepEqual(JSON.parse(stdout), { count: 0, dryRun, bySubscription: {} });
  }
});

Deno.test("dlq retry, remove and purge of a subscription that is not there name those that are, and do nothing", async () => {
  await using at = await daemonWithDead();
  await at.http("PUT", "/v1/subscriptions/mailer", { topic: "t" });
  for (
    const args of [
      ["retry"],
      ["retry", "--dry-run"],
      ["retry", "--rate", "10/s"],
      ["retry", "--reason", "first"],
      ["remove", "--yes"],
      ["purge", "--yes"],
    ]
  ) {
    const { code, stdout, stderr } = await evs(
      ["dlq", ...args, "--subscription", "mailr", "--json"],
      { at },
    );
    assert.equal(code, 1, `${args}: ${stdout}${stderr}`);
    assert.equal(stdout, "");
    const { error } = JSON.parse(stderr);
    assert.equal(error.code, "subscription/not-found", String(args));
    assert.match(
      error.message,
      /^there is no subscription mailr: there are mailer, s; nothing was/,
    );
    assert.equal(error.hint, "did you mean mailer?");
    assert.deepEqual(error.details, { subscription: "mailr", known: ["mailer", "s"] });
  }
  const none = await evs(["dlq", "retry", "--subscription", "mailer"], { at });
  assert.deepEqual([none.code, JSON.parse(none.stdout).count], [0, 0], "it is there, with none");
  assert.equal((await at.http("DELETE", "/v1/subscriptions/s")).status, 200);
  const other = ["dlq", "remove", "--subscription", "s", "--reason", "never", "--yes"];
  const gone = await evs(other, { at });
  assert.deepEqual(
    [gone.code, JSON.parse(gone.stdout).count],
    [0, 0],
    "its dead letters are there",
  );
  assert.equal((await list(at)).length, EVENTS);
});
