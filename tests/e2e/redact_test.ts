/**
 * `evs redact` through the command line, HTTP and `connect()`: the secret is in no file of the data
 * dir, running or not, in no later backup, and an older one is redacted when it is restored. A kill
 * at any moment leaves nothing half done.
 */
import assert from "node:assert/strict";
import { connect } from "../../core/client/broker/connect.ts";
import { redactionOf } from "../../core/event/redaction.ts";
import { newDaemon, startDaemon, type TestDaemon } from "../helpers/daemon.ts";
import { dose } from "../helpers/dose.ts";
import { evs } from "../helpers/evs.ts";
import { randomFrom } from "../helpers/flip.ts";
import { filesWith } from "../helpers/leftovers.ts";

const SECRET = "correct-horse-battery-staple";

/** Publishes three events, the second with the secret, with a key and metadata. */
async function publishThree(daemon: TestDaemon, secret: string, topic = "users"): Promise<void> {
  const events = ["one", secret, "three"].map((password) => ({
    type: "user.created",
    payload: { password },
    key: `key-${password}`,
    metadata: { note: password },
  }));
  const answer = await daemon.http("POST", `/v1/topics/${topic}/events`, events, {
    "content-type": "application/json",
  });
  assert.equal(answer.status, 200, answer.text);
}

/** Makes `name` fail on one event of the topic, with the secret in what it printed. */
async function fail(
  daemon: TestDaemon,
  name: string,
  { from, maxRetries, secret, topic = "users" }: {
    from: number;
    maxRetries: number;
    secret: string;
    topic?: string;
  },
): Promise<void> {
  const path = `/v1/subscriptions/${name}`;
  await daemon.http("PUT", path, { topic, from: String(from), settings: { maxRetries } });
  const { json } = await daemon.http("POST", `${path}/lease`, { max: 1 });
  const [{ lease, event }] = json.deliveries;
  assert.equal(event.seq, from);
  const texts = { error: `no ${secret}`, stderr: `${secret}\n` };
  const { status } = await daemon.http("POST", `${path}/nack`, {
    deliveries: [{ lease, ...texts }],
  });
  assert.equal(status, 200);
}

/** Why the dead letters of a subscription are some. */
async function reasons(daemon: TestDaemon, subscription: string): Promise<string[]> {
  const { text } = await daemon.http("GET", `/v1/dead-letters?subscription=${subscription}`);
  return text.split("\n").filter(Boolean).map((line) => JSON.parse(line).reason);
}

for (const store of ["sqlite", "file"]) {
  Deno.test(`evs redact leaves no byte of an event in the data dir, nor in a later backup, and an older backup is redacted when it is restored: ${store}`, async () => {
    await using daemon = await startDaemon({ store });
    const [older, later] = [`${daemon.folder}/older.tar`, `${daemon.folder}/later.tar`];
    await publishThree(daemon, SECRET);
    await fail(daemon, "dead", { from: 2, maxRetries: 0, secret: SECRET });
    await fail(daemon, "waiting", { from: 2, maxRetries: 9, secret: SECRET });
    assert.notDeepEqual(filesWith(daemon.dataDir, [SECRET]), []);
    assert.equal((await evs(["backup", older], { at: daemon })).code, 0);

    const refused = await evs(["redact", "users", "2"], { at: daemon });
    assert.equal(refused.code, 2, refused.stderr);
    assert.match(refused.stderr, /--yes/);
    const env = { USER: "anna" };
    const args = ["redact", "users", "2", "--reason", "a password", "--yes"];
    const done = await evs(args, { at: daemon, env });
    assert.equal(done.code, 0, done.stderr);
    const { at, id, ...reply } = JSON.parse(done.stdout);
    assert.deepEqual(reply, {
      topic: "users",
      seq: 2,
      by: "anna",
      reason: "a password",
      created: true,
      deadLetters: 1,
      undelivered: 1,
    });
    assert.deepEqual(filesWith(daemon.dataDir, [SECRET]), []);

    const marker = { at, by: "anna", reason: "a password" };
    const told: string[] = [];
    for (
      const read of [
        ["get", "users", id],
        ["replay", "users"],
        ["tail", "users", "--no-follow"],
        ["export"],
        ["dlq", "show", id],
        ["dlq", "list"],
        ["subscription", "show", "waiting"],
      ]
    ) {
      const { code, stdout, stderr } = await evs(read, { at: daemon });
      assert.equal(code, 0, stderr);
      assert.ok(!stdout.includes(SECRET), read.join(" "));
      if (stdout.includes(JSON.stringify({ redacted: marker }))) told.push(read[0]!);
    }
    assert.deepEqual(told, ["get", "replay", "tail", "export", "dlq"]);
    const retry = await evs(["dlq", "retry", id], { at: daemon });
    assert.equal(retry.code, 3);
    assert.match(retry.stderr, /was redacted: nothing is left to deliver/);
    assert.match(retry.stderr, /evs dlq remove dead:/);
    assert.equal((await evs(["doctor"], { at: daemon })).code, 0);
    assert.equal((await evs(["backup", later], { at: daemon })).code, 0);
    await daemon.stop();
    assert.deepEqual(filesWith(daemon.dataDir, [SECRET]), []);
    assert.equal((await evs(["doctor"], { at: daemon })).code, 0);
    await daemon.start();
    assert.deepEqual(filesWith(daemon.dataDir, [SECRET]), []);
    const { pending, scheduled } = (await daemon.http("GET", "/v1/subscriptions/waiting")).json;
    assert.deepEqual([pending, scheduled], [1, 0]);
    await daemon.stop();
    assert.deepEqual(filesWith(daemon.folder, [SECRET]), [older]);

    const restored = await evs(["restore", older, "--force"], { at: daemon });
    assert.equal(restored.code, 0, restored.stderr);
    assert.equal(JSON.parse(restored.stdout).redacted, 1);
    assert.deepEqual(filesWith(daemon.folder, [SECRET]), [older]);
    assert.equal((await evs(["doctor"], { at: daemon })).code, 0);
    await daemon.start();
    const events = await daemon.replay("users");
    assert.deepEqual(events.map(redactionOf), [undefined, marker, undefined]);
    const again = (await daemon.http("GET", "/v1/subscriptions/waiting")).json;
    assert.deepEqual([again.pending, again.scheduled], [1, 0]);
    assert.deepEqual(await reasons(daemon, "dead"), ["redacted"]);
  });
}

Deno.test("evs export and import keep a redacted event, also where its schema takes no null", async () => {
  await using daemon = await startDaemon();
  await publishThree(daemon, SECRET);
  assert.equal((await evs(["redact", "users", "2", "--yes"], { at: daemon })).code, 0);
  const { stdout } = await evs(["export"], { at: daemon });
  await using other = await startDaemon();
  await other.http("PUT", "/v1/schemas/user.created", { type: "object" });
  const imported = await evs(["import"], { at: other, stdin: stdout });
  assert.equal(imported.code, 0, imported.stderr);
  const [before, after] = [await daemon.replay("users"), await other.replay("users")];
  assert.deepEqual(after, before);
  assert.deepEqual(after.map(redactionOf).map(Boolean), [false, true, false]);
  const own = await evs(["publish", "users", "user.created", "null"], { at: other });
  assert.equal(own.code, 4, "anything else is checked");
});

for (const store of ["sqlite", "file"]) {
  Deno.test(`evs redact erases an event that is scheduled, which is published without it, and an older backup is redacted: ${store}`, async () => {
    await using daemon = await startDaemon({ store });
    const older = `${daemon.folder}/older.tar`;
    const publish = ["publish", "users", "user.created", JSON.stringify(SECRET), "--id", "u1"];
    const scheduled = await evs([...publish, "--delay", "1h"], { at: daemon });
    assert.equal(scheduled.code, 0, scheduled.stderr);
    assert.equal((await evs(["backup", older], { at: daemon })).code, 0);
    const done = await evs(["redact", "users", "u1", "--yes"], { at: daemon });
    assert.equal(done.code, 0, done.stderr);
    const { seq, id, created } = JSON.parse(done.stdout);
    assert.deepEqual([seq, id, created], [0, "u1", true]);
    assert.deepEqual(filesWith(daemon.dataDir, [SECRET]), []);
    const again = await evs([...publish, "--delay", "1h"], { at: daemon });
    assert.equal(JSON.parse(again.stdout).duplicate, true);
    const list = await evs(["scheduled", "list"], { at: daemon });
    assert.equal(JSON.parse(list.stdout).redacted, true);
    assert.deepEqual(filesWith(daemon.dataDir, [SECRET]), []);
    await daemon.stop();

    const restored = await evs(["restore", older, "--force"], { at: daemon });
    assert.equal(restored.code, 0, restored.stderr);
    assert.equal(JSON.parse(restored.stdout).redacted, 1);
    assert.deepEqual(filesWith(daemon.folder, [SECRET]), [older]);
    await daemon.start();
    const row = JSON.parse((await evs(["scheduled", "list"], { at: daemon })).stdout);
    assert.deepEqual([row.id, row.redacted], ["u1", true]);
    assert.equal((await evs(["doctor"], { at: daemon })).code, 0);
  });
}

Deno.test("evs get --key and CloudEvents say that the newest event of a key was redacted", async () => {
  await using daemon = await startDaemon();
  for (const text of ["older", SECRET]) {
    const args = ["publish", "users", "user.created", JSON.stringify(text), "--key", "u1"];
    assert.equal((await evs(args, { at: daemon })).code, 0);
  }
  assert.equal((await evs(["redact", "users", "2", "--yes"], { at: daemon })).code, 0);
  const get = await evs(["get", "users", "--key", "u1"], { at: daemon });
  const newest = JSON.parse(get.stdout);
  assert.deepEqual([newest.seq, Boolean(redactionOf(newest))], [2, true]);
  await using broker = await connect({ socket: daemon.socket });
  assert.equal((await broker.getNewest("users", "u1"))?.seq, 2);
  const perKey = await evs(["tail", "users", "--last-per-key", "--no-follow"], { at: daemon });
  const lines = perKey.stdout.split("\n").filter(Boolean).map((line) => JSON.parse(line));
  assert.deepEqual(lines.map(({ seq, key }) => [seq, key]), [[1, "u1"], [2, newest.key]]);
  const clouds = await evs(["tail", "users", "--cloudevents", "--no-follow"], { at: daemon });
  const cloud = JSON.parse(clouds.stdout.split("\n")[1]!);
  assert.deepEqual([cloud.specversion, cloud.id, cloud.data], ["1.0", newest.id, null]);
  assert.deepEqual(JSON.parse(cloud.evsmetadata), newest.metadata);
});

Deno.test("POST …/redact and connect() redact, refuse in words, and name what is there", async () => {
  await using daemon = await startDaemon();
  await publishThree(daemon, SECRET);
  const path = (event: string) => `/v1/topics/users/events/${event}/redact`;
  const first = await daemon.http("POST", path("2"), { reason: "a password", by: "anna" });
  assert.deepEqual([first.status, first.json.created, first.json.seq], [200, true, 2]);
  const again = await daemon.http("POST", path(first.json.id));
  assert.deepEqual([again.status, again.json.created, again.json.by], [200, false, "anna"]);
  const missing = await daemon.http("POST", path("4"));
  assert.deepEqual([missing.status, missing.json.error.code], [404, "event/not-found"]);
  const wrong = await daemon.http("POST", path("1"), { reason: "" });
  assert.deepEqual([wrong.status, wrong.json.error.code], [400, "argument/invalid"]);

  await daemon.http("PUT", "/v1/topics/passing", { persistent: false });
  const passing = await daemon.http("POST", "/v1/topics/passing/events/1/redact");
  assert.deepEqual([passing.status, passing.json.error.code], [404, "event/not-found"]);

  await using broker = await connect({ socket: daemon.socket });
  const reply = await broker.redact("users", 3, { by: "ben" });
  assert.deepEqual([reply.created, reply.by, reply.seq], [true, "ben", 3]);
  await assert.rejects(broker.redact("users", 9), {
    name: "NotFoundError",
    code: "event/not-found",
  });
  await assert.rejects(broker.redact("users", 1, { because: "x" } as never), /no option "because"/);
  const got: unknown[] = [];
  const subscription = broker.subscribe("users", ({ seq }) => void got.push(seq), { name: "s" });
  await subscription.ready;
  await broker.idle();
  assert.deepEqual(got, [1]);
  const known = await evs(["redact", "users", "2", "--yes"], { at: daemon });
  assert.equal(JSON.parse(known.stdout).created, false);
});

for (const store of ["sqlite", "file"]) {
  Deno.test(`a daemon that is killed while it redacts has finished or undone it when it starts again: ${store}`, async () => {
    await using daemon = await newDaemon({ store });
    await daemon.start();
    const random = randomFrom(store.length);
    const rounds = dose(store === "sqlite" ? 12 : 8);
    const redact = (topic: string) =>
      daemon.http("POST", `/v1/topics/${topic}/events/2/redact`, { by: "anna" })
        .then(({ status }) => status, () => undefined);
    let took = 50;
    let finished = 0;
    const ends = new Map<string, boolean>();
    // On a busy machine most kills may come too early or too late: then there are more of them.
    const isOver = (round: number) => round >= rounds && (finished > 0 || round >= 20 * rounds);
    for (let round = 0; !isOver(round); round++) {
      const topic = `users-${round}`;
      const secret = `${SECRET}-${round}-`;
      await publishThree(daemon, secret, topic);
      await fail(daemon, `dead-${round}`, { from: 2, maxRetries: 0, secret, topic });
      await fail(daemon, `waiting-${round}`, { from: 2, maxRetries: 9, secret, topic });
      const before = performance.now();
      const answer = redact(topic);
      await Promise.race([
        answer,
        new Promise((resolve) => setTimeout(resolve, random(Math.ceil(took * 1.2)))),
      ]);
      await daemon.kill();
      const status = await answer;
      if (status !== undefined) took = performance.now() - before;
      await daemon.start();
      const events = await daemon.replay(topic);
      const isRedacted = redactionOf(events[1]!) !== undefined;
      if (status === 200) assert.ok(isRedacted, `${topic}: acknowledged, and there again`);
      else if (isRedacted) finished++;
      ends.set(topic, isRedacted);
      assert.deepEqual(events.map(({ payload }) => payload?.password), [
        "one",
        isRedacted ? undefined : secret,
        "three",
      ]);
      const { scheduled } = (await daemon.http("GET", `/v1/subscriptions/waiting-${round}`)).json;
      assert.equal(scheduled, isRedacted ? 0 : 1, topic);
      const reason = isRedacted ? "redacted" : `no ${secret}`;
      assert.deepEqual(await reasons(daemon, `dead-${round}`), [reason], topic);
      assert.equal(filesWith(daemon.dataDir, [secret]).length > 0, !isRedacted, topic);
    }
    for (const [topic, isRedacted] of ends) {
      if (!isRedacted) assert.equal(await redact(topic), 200);
      const events = await daemon.replay(topic);
      assert.deepEqual(events.map(redactionOf).map(Boolean), [false, true, false]);
    }
    assert.deepEqual(filesWith(daemon.dataDir, [SECRET]), []);
    await daemon.stop();
    assert.equal((await evs(["doctor"], { at: daemon })).code, 0);
    assert.ok(finished > 0, "some were cut and finished");
  });
}
