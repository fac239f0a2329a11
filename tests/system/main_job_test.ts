/**
 * The main use case as a user writes it: from `sh`, with `bin` on the PATH and only `jq` besides;
 * and with `curl` alone.
 */
import assert from "node:assert/strict";
import { needTools, Place } from "../helpers/shell.ts";

const SCHEMA = JSON.stringify({
  type: "object",
  required: ["userId", "username", "email"],
  properties: {
    userId: { type: "string" },
    username: { type: "string" },
    email: { type: "string", format: "email" },
  },
});

/** The lines of what a script prints, which must end with 0. */
async function lines(place: Place, script: string): Promise<string[]> {
  return (await place.run(script)).split("\n").filter(Boolean);
}

/** Id and payload bytes of each wire line: all that a copy must keep. */
function kept(line: string): string[] {
  const { id } = JSON.parse(line);
  return [id, line.slice(line.indexOf('"payload":'))];
}

async function publishUsers(place: Place): Promise<void> {
  await Deno.writeTextFile(`${place.folder}/work/user.json`, SCHEMA);
  await place.run("evs schema register user.created ./user.json --version 1.0");
  await place.run(
    `evs publish users user.created '{"userId":"u1","username":"first","email":"first@example.com"}'`,
  );
  await place.run(
    `jq -nc '{userId:"u2",username:"second",email:"second@example.com"}' | evs publish users user.created --ndjson`,
  );
}

async function refuseWrongUser(place: Place): Promise<void> {
  const refused = await place.sh(`evs publish users user.created '{"userId":1}'`);
  assert.equal(refused.code, 4, refused.stderr);
  assert.match(refused.stderr, /\/userId/);
  assert.match(refused.stderr, /username/);
  assert.match(refused.stderr, /email/);
  assert.deepEqual(await lines(place, "evs replay users | jq -r .payload.username"), [
    "first",
    "second",
  ]);
}

async function copyUsers(place: Place): Promise<void> {
  await place.run("evs replay users | evs publish copy --envelope");
  const users = await lines(place, "evs replay users");
  const copy = await lines(place, "evs replay copy");
  assert.equal(users.length, 2);
  assert.deepEqual(copy.map(kept), users.map(kept));
}

async function failAndRepair(place: Place): Promise<void> {
  const consumed = await place.sh(
    `evs consume users --name mailer --until-empty --max-retries 2 --backoff fixed:100ms -- sh -c 'jq -e ".username != \\"second\\"" >/dev/null || { echo "no mail for second" >&2; exit 1; }'`,
  );
  assert.equal(consumed.code, 6, consumed.stderr);
  const dead = (await lines(place, "evs dlq list")).map((line) => JSON.parse(line));
  assert.deepEqual(dead.map(({ subscription, seq, attempts }) => [subscription, seq, attempts]), [
    ["mailer", 2, 3],
  ]);
  const [shown] = (await lines(place, `evs dlq show ${dead[0].id}`)).map((line) =>
    JSON.parse(line)
  );
  assert.equal(shown.event.payload.username, "second");
  assert.deepEqual(
    shown.attempts.map((attempt: { exitCode: number; stderr: string }) => [
      attempt.exitCode,
      attempt.stderr.trim(),
    ]),
    Array(3).fill([1, "no mail for second"]),
  );
  await place.run("evs dlq retry --all");
  await place.run("evs consume users --name mailer --until-empty -- sh -c 'cat >/dev/null'");
  assert.deepEqual(await lines(place, "evs dlq list"), []);
}

Deno.test("the main job works as written, from sh with jq", async () => {
  needTools("jq");
  await using place = await Place.make();
  await place.run("evs daemon start");
  await publishUsers(place);
  await refuseWrongUser(place);
  await copyUsers(place);
  await failAndRepair(place);
  await place.run("evs daemon stop");
  const after = await place.sh("evs status");
  assert.equal(after.code, 5, "nothing is left that answers");
  assert.deepEqual(await place.lastingProcesses(), []);
});

Deno.test("a handler that says nothing leaves its exit code with the dead letter", async () => {
  needTools("jq");
  await using place = await Place.make();
  await place.run("evs daemon start");
  await place.run(`evs publish users user.created '{"username":"second"}'`);
  const consumed = await place.sh(
    `evs consume users --name mailer --until-empty --max-retries 2 --backoff fixed:100ms -- sh -c 'jq -e ".username != \\"second\\"" >/dev/null'`,
  );
  assert.equal(consumed.code, 6, consumed.stderr);
  const [dead] = (await lines(place, "evs dlq list")).map((line) => JSON.parse(line));
  assert.equal(dead.attempts, 3);
  const [shown] = (await lines(place, `evs dlq show mailer:${dead.id}`)).map((line) =>
    JSON.parse(line)
  );
  assert.deepEqual(shown.attempts.map(({ exitCode }: { exitCode: number }) => exitCode), [1, 1, 1]);
  await place.run("evs daemon stop");
});

Deno.test("curl alone publishes, replays, follows and reads the status", async () => {
  needTools("curl", "jq");
  await using place = await Place.make();
  await place.run("evs daemon start");
  const socket = (await place.run("evs status --json | jq -r .socket")).trim();
  const curl = `curl -fsSN --unix-socket '${socket}'`;
  const events = "http://evs/v1/topics/web/events";

  const one = JSON.parse(await place.run(`${curl} '${events}?type=seen' -d '{"n":1}'`));
  assert.deepEqual([one.count, one.firstSeq, one.durable], [1, 1, true]);
  const two = JSON.parse(
    await place.run(
      `printf '{"n":2}\\n{"n":3}\\n' | ${curl} '${events}?type=seen' -H 'content-type: application/x-ndjson' --data-binary @-`,
    ),
  );
  assert.deepEqual([two.count, two.firstSeq, two.lastSeq], [2, 2, 3]);

  const replayed = (await lines(place, `${curl} '${events}'`)).map((line) => JSON.parse(line));
  assert.deepEqual(replayed.map(({ seq, payload }) => [seq, payload.n]), [[1, 1], [2, 2], [3, 3]]);

  const status = JSON.parse(await place.run(`${curl} http://evs/v1/status`));
  assert.deepEqual([status.health, status.events, status.topics], ["ok", 3, 1]);

  const refused = await place.sh(`${curl} '${events}?type=seen' -d '{"n":'`);
  assert.equal(refused.code, 22, "curl -f ends with 22 where the answer is 400 or above");
  await place.run("evs daemon stop");
});

/** A topic, how it is followed, and what two events must produce. */
const FOLLOWING: [topic: string, accept: string, expected: RegExp][] = [
  ["lines", "application/x-ndjson", /"seq":1,[^\n]*\n[^\n]*"seq":2,[^\n]*\n/],
  ["sse", "text/event-stream", /^id: sse:1\nevent: seen\ndata: [^\n]*\n\nid: sse:2\n/m],
];

Deno.test("curl follows live, as NDJSON and as server-sent events", async () => {
  needTools("curl", "jq");
  await using place = await Place.make();
  await place.run("evs daemon start");
  const socket = (await place.run("evs status --json | jq -r .socket")).trim();
  const curl = `curl -fsSN --unix-socket '${socket}'`;
  for (const [topic, accept, expected] of FOLLOWING) {
    await place.run(`evs publish ${topic} seen 1`);
    const url = `http://evs/v1/topics/${topic}/events?follow=1&from=start`;
    const following = place.command(`exec ${curl} -H 'accept: ${accept}' '${url}'`).spawn();
    const reader = following.stdout.pipeThrough(new TextDecoderStream()).getReader();
    let text = "";
    while (!expected.test(text)) {
      const { value, done } = await reader.read();
      assert.equal(done, false, `it ended with: ${text}`);
      // The second one is published when the first one has been seen: it comes live.
      if (text === "") await place.run(`evs publish ${topic} seen 2`);
      text += value;
    }
    following.kill("SIGTERM");
    await Promise.all([reader.cancel(), following.stderr.cancel(), following.status]);
  }

  // With a limit it ends by itself, whether the events were there already or come later.
  const limited = place.command(
    `exec ${curl} 'http://evs/v1/topics/lines/events?follow=1&from=start&limit=3' | jq .payload`,
  ).output();
  await place.run("evs publish lines seen 3 && evs publish lines seen 4");
  assert.equal(new TextDecoder().decode((await limited).stdout), "1\n2\n3\n");

  // A browser comes back with the last id that it has seen. What follows ends when the daemon
  // stops.
  const resumed = place.command(
    `exec ${curl} -H 'accept: text/event-stream' -H 'last-event-id: sse:1' 'http://evs/v1/topics/sse/events?follow=1'`,
  ).spawn();
  const reader = resumed.stdout.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  while (!rest.includes("\n")) {
    const { value, done } = await reader.read();
    assert.equal(done, false, `it ended with: ${rest}`);
    rest += value;
  }
  assert.equal(rest.split("\n")[0], "id: sse:2");
  await place.run("evs daemon stop");
  while (!(await reader.read()).done);
  await Promise.all([resumed.stderr.cancel(), resumed.status]);
});
