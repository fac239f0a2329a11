/** `evs consume` with real handlers against a real daemon. */
import assert from "node:assert/strict";
import { startDaemon, type TestDaemon } from "../helpers/daemon.ts";
import { evs, evsCommand, isAlive, RunningEvs, until } from "../helpers/evs.ts";
import { IGNORING_ENDS, needTools } from "../helpers/shell.ts";

async function lines(at: TestDaemon, args: string[]): Promise<Record<string, unknown>[]> {
  const { code, stdout, stderr } = await evs(args, { at });
  assert.equal(code, 0, stderr);
  return stdout.split("\n").filter(Boolean).map((line) => JSON.parse(line));
}

async function exists(path: string): Promise<boolean> {
  try {
    await Deno.lstat(path);
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

const drain = ["--until-empty", "--max-retries", "2", "--backoff", "fixed:10ms"];

Deno.test("consume gives back what it has in hand in its order when it is stopped", async () => {
  await using at = await startDaemon();
  await at.publish("t", "n", ...Array.from({ length: 12 }, (_, i) => i + 1));
  const handler = `echo "began $EVS_SEQ" >&2; exec sleep 600`;
  const running = new RunningEvs(
    ["consume", "t", "--name", "c", "--concurrency", "4", "--", "sh", "-c", handler],
    { at },
  );
  for (const seq of [1, 2, 3, 4]) await running.said(new RegExp(`began ${seq}$`, "m"));
  running.child.kill("SIGTERM");
  assert.equal((await running.end()).code, 0, running.stderr);
  const { stdout } = await evs(
    ["consume", "t", "--name", "c", "--until-empty", "--", "sh", "-c", "cat; echo"],
    { at },
  );
  const seen = stdout.split("\n").filter(Boolean).map(Number);
  assert.deepEqual(seen, Array.from({ length: 12 }, (_, i) => i + 1));
});

Deno.test("consume leaves one dead letter after three attempts, and dlq shows, retries and empties", async () => {
  await using at = await startDaemon();
  await at.publish("users", "user.created", { username: "first" }, { username: "second" });
  const handler = 'grep -q second && { echo "no second" >&2; exit 3; } || exit 0';
  const consumed = await evs(
    ["consume", "users", "--name", "mailer", ...drain, "--", "sh", "-c", handler],
    { at },
  );
  assert.equal(consumed.code, 6, consumed.stderr);
  assert.match(
    consumed.stderr,
    /1 done, 2 retried, 1 dead\n.*\n {2}evs dlq groups --subscription /,
  );
  assert.equal(consumed.stdout, "");

  const [dead, ...others] = await lines(at, ["dlq", "list"]);
  assert.ok(dead !== undefined && others.length === 0);
  assert.deepEqual([dead.subscription, dead.seq, dead.attempts], ["mailer", 2, 3]);
  assert.match(String(dead.reason), /^exit code 3/);

  const [detail] = await lines(at, ["dlq", "show", String(dead.id)]);
  const attempts = detail?.attempts as { exitCode: number; stderr: string }[];
  assert.deepEqual(attempts.map((one) => [one.exitCode, one.stderr]), [
    [3, "no second\n"],
    [3, "no second\n"],
    [3, "no second\n"],
  ]);

  const refused = await evs(["dlq", "purge"], { at });
  assert.equal(refused.code, 2);
  assert.match(refused.stderr, /--yes/);
  const dry = await lines(at, ["dlq", "retry", "--all", "--dry-run"]);
  assert.deepEqual(dry, [{ count: 1, dryRun: true, bySubscription: { mailer: 1 } }]);
  const retried = await lines(at, ["dlq", "retry", "--all", "--rate", "100/s"]);
  assert.equal(retried[0]?.count, 1);
  const fixed = await evs(
    ["consume", "users", "--name", "mailer", "--until-empty", "--", "true"],
    { at },
  );
  assert.equal(fixed.code, 0, fixed.stderr);
  assert.deepEqual(await lines(at, ["dlq", "list"]), []);
});

Deno.test("dlq remove and purge take dead letters away, and unknown ids are said", async () => {
  await using at = await startDaemon();
  await at.publish("t", "x", 1, 2, 3);
  const consumed = await evs(
    ["consume", "t", "--name", "s", "--until-empty", "--", "sh", "-c", "exit 65"],
    { at },
  );
  assert.equal(consumed.code, 6, consumed.stderr);
  const dead = await lines(at, ["dlq", "list", "--subscription", "s"]);
  assert.equal(dead.length, 3);
  const unknown = await evs(["dlq", "show", "nothing-like-it"], { at });
  assert.equal(unknown.code, 1, unknown.stderr);
  const nothing = await evs(["dlq", "remove", "nothing-like-it", "--yes"], { at });
  assert.equal(nothing.code, 1, nothing.stderr);
  assert.equal((await lines(at, ["dlq", "remove", `s:${dead[0]?.id}`, "--yes"]))[0]?.count, 1);
  assert.equal((await lines(at, ["dlq", "purge", "--yes"]))[0]?.count, 2);
  assert.deepEqual(await lines(at, ["dlq", "list"]), []);
});

Deno.test("consume hands over the payload byte for byte and its facts in the environment", async () => {
  await using at = await startDaemon();
  const payload = '{"n":9007199254740993,"x":1.0,"e":"é"}';
  await at.http(
    "POST",
    "/v1/topics/t/events",
    `{"type":"x","key":"k","id":"my-id","payload":${payload}}`,
    {
      "content-type": "application/json",
    },
  );
  const show =
    'cat; echo "$EVS_TOPIC $EVS_TYPE $EVS_ID $EVS_SEQ $EVS_ATTEMPT $EVS_SUBSCRIPTION $EVS_KEY"';
  const bare = await evs(["consume", "t", "--name", "a", "--until-empty", "--", "sh", "-c", show], {
    at,
  });
  assert.equal(bare.stdout, `${payload}\nt x my-id 1 1 a k\n`, bare.stderr);
  const whole = await evs(
    ["consume", "t", "--name", "b", "--until-empty", "--stdin", "event", "--", "cat"],
    { at },
  );
  assert.ok(whole.stdout.endsWith(`"payload":${payload}}\n`), whole.stdout);
  assert.equal(JSON.parse(whole.stdout).id, "my-id");
});

Deno.test("consume pauses the subscription when the command cannot be run, and goes on when it can", async () => {
  await using at = await startDaemon();
  await at.publish("t", "x", 1, 2);
  for (const command of [["/nowhere/at-all"], ["sh", "-c", "no-such-command-here"]]) {
    const paused = await evs(["consume", "t", "--name", "s", "--until-empty", "--", ...command], {
      at,
    });
    assert.equal(paused.code, 1, paused.stderr);
    assert.match(paused.stderr, /evs subscription resume s/);
    const [info] = await lines(at, ["subscription", "show", "s"]);
    assert.equal(info?.paused, true);
    assert.match(String(info?.pauseReason), /nowhere|127/);
    assert.deepEqual([info?.pending, info?.dead, info?.leased], [2, 0, 0]);
  }
  const after = await evs(
    ["consume", "t", "--name", "s", "--until-empty", "--", "sh", "-c", "echo $EVS_ATTEMPT"],
    { at },
  );
  assert.deepEqual([after.code, after.stdout], [0, "1\n1\n"], after.stderr);
});

Deno.test("consume gives its events back uncounted, its handler ended, when it is killed or interrupted", async () => {
  await using at = await startDaemon();
  await at.publish("t", "x", 1);
  for (const signal of ["SIGKILL", "SIGINT"] as const) {
    const mark = `${at.folder}/${signal}`;
    const running = new RunningEvs(
      [
        "consume",
        "t",
        "--name",
        "s",
        "--",
        "sh",
        "-c",
        `echo $$ > ${mark}.new; mv ${mark}.new ${mark}; exec sleep 600`,
      ],
      { at },
    );
    await until(() => exists(mark));
    const handler = Number(await Deno.readTextFile(mark));
    running.child.kill(signal);
    const status = await running.ended;
    await until(async () => (await at.http("GET", "/v1/subscriptions/s")).json.leased === 0);
    if (signal === "SIGINT") assert.equal(status.code, 130, running.stderr);
    await until(async () => !(await isAlive(handler)));
    await running.end();
  }
  const after = await evs(
    ["consume", "t", "--name", "s", "--until-empty", "--", "sh", "-c", "echo $EVS_ATTEMPT"],
    { at },
  );
  assert.deepEqual([after.code, after.stdout], [0, "1\n"], after.stderr);
});

Deno.test("consume waits for a topic that is not there, and goes on when the daemon was restarted", async () => {
  await using at = await startDaemon();
  const running = new RunningEvs(
    ["consume", "later", "--name", "s", "--max", "2", "--", "cat"],
    { at },
  );
  await running.said(/not there yet/);
  await at.publish("later", "x", 1);
  await until(() => running.stdout === "1\n");
  await until(async () => (await at.http("GET", "/v1/subscriptions/s")).json.cursors[0].next === 2);
  await at.kill();
  await running.said(/lost the daemon/);
  await at.start();
  await running.said(/the daemon is back/);
  await at.publish("later", "x", 2);
  const status = await running.end();
  assert.deepEqual([status.code, running.stdout], [0, "1\n2\n"], running.stderr);
});

Deno.test("consume says when settings differ and takes them over with --update", async () => {
  await using at = await startDaemon();
  await at.publish("t", "x", 1);
  const consume = ["consume", "t", "--name", "s", "--until-empty"];
  await evs([...consume, "--max-retries", "1", "--", "true"], { at });
  const other = await evs([...consume, "--max-retries", "7", "--", "true"], { at });
  assert.match(other.stderr, /--max-retries.*--update/);
  const [before] = await lines(at, ["subscription", "list"]);
  assert.equal((before?.settings as { maxRetries: number }).maxRetries, 1);
  await evs([...consume, "--max-retries", "7", "--update", "--", "true"], { at });
  const [now] = await lines(at, ["subscription", "list"]);
  assert.equal((now?.settings as { maxRetries: number }).maxRetries, 7);
});

Deno.test("consume runs several handlers at a time, filters, and retries what took too long", async () => {
  await using at = await startDaemon();
  await at.publish("t", "slow", 1);
  await at.publish("t", "quick", 2, 3, 4);
  const filtered = await evs(
    [
      "consume",
      "t",
      "--name",
      "f",
      "--until-empty",
      "--type",
      "quick",
      "--where",
      "payload > 2",
      "--concurrency",
      "3",
      "--",
      "cat",
    ],
    { at },
  );
  assert.deepEqual(filtered.stdout.split("\n").toSorted(), ["", "3", "4"], filtered.stderr);
  const timed = await evs(
    [
      "consume",
      "t",
      "--name",
      "g",
      "--until-empty",
      "--type",
      "slow",
      "--timeout",
      "100ms",
      "--max-retries",
      "0",
      "--",
      "sleep",
      "600",
    ],
    { at },
  );
  assert.equal(timed.code, 6, timed.stderr);
  const [dead] = await lines(at, ["dlq", "list"]);
  assert.match(String(dead?.reason), /timed out after 100 ms/);
});

Deno.test("subscription seek redoes and skips, pause and resume and remove do as they say", async () => {
  await using at = await startDaemon();
  await at.publish("t", "x", 1, 2, 3);
  const consume = ["consume", "t", "--name", "s", "--until-empty", "--", "cat"];
  assert.equal((await evs(consume, { at })).stdout, "1\n2\n3\n");
  const [dry] = await lines(at, ["subscription", "seek", "s", "2", "--dry-run"]);
  assert.deepEqual([dry?.redo, dry?.skip], [2, 0]);
  assert.equal((await evs(["subscription", "seek", "s", "2"], { at })).code, 2);
  await lines(at, ["subscription", "seek", "s", "2", "--yes"]);
  assert.equal((await evs(consume, { at })).stdout, "2\n3\n");
  await lines(at, ["subscription", "pause", "s", "--reason", "for tea"]);
  assert.equal((await lines(at, ["subscription", "show", "s"]))[0]?.pauseReason, "for tea");
  assert.equal((await lines(at, ["subscription", "resume", "s"]))[0]?.paused, false);
  await lines(at, ["subscription", "remove", "s", "--yes"]);
  assert.equal((await evs(["subscription", "show", "s"], { at })).code, 1);
});

Deno.test("consume --batch gives whole events and takes an answer for each of them", async () => {
  await using at = await startDaemon();
  await at.publish("t", "x", ...Array.from({ length: 10 }, (_, index) => index + 1));
  // Odd payloads are done, 4 is refused for good, the rest is left to the exit code.
  const handler = `
    echo "batch of $EVS_BATCH on $EVS_TOPIC"
    while read -r line; do
      id=\${line#*\\"id\\":\\"}; id=\${id%%\\"*}; payload=\${line##*\\"payload\\":}; payload=\${payload%\\}}
      case $payload in
        4) printf '{"id":"%s","outcome":"dead","reason":"no fours"}\\n' "$id" ;;
        *[13579]) printf '{"id":"%s","outcome":"ack"}\\n' "$id" ;;
      esac
    done
    [ "$EVS_BATCH" -gt 5 ] && exit 3 || exit 0`;
  const consumed = await evs(
    ["consume", "t", "--name", "b", "--batch", "50", ...drain, "--", "sh", "-c", handler],
    { at },
  );
  assert.equal(consumed.code, 6, consumed.stderr);
  assert.match(consumed.stderr, /9 done, 4 retried, 1 dead/);
  assert.equal(consumed.stdout, "batch of 10 on t\nbatch of 4 on t\n");
  const [dead] = await lines(at, ["dlq", "list"]);
  assert.deepEqual([dead?.seq, dead?.reason], [4, "no fours"]);
});

Deno.test("consume --batch pauses once when its command cannot run", async () => {
  await using at = await startDaemon();
  await at.publish("t", "x", 1, 2, 3);
  const consumed = await evs(
    ["consume", "t", "--name", "b", "--batch", "3", "--until-empty", "--", "./not-there"],
    { at },
  );
  assert.equal(consumed.code, 1, consumed.stderr);
  assert.match(consumed.stderr, /cannot be started: no such file/);
  const [info] = await lines(at, ["subscription", "show", "b"]);
  assert.deepEqual([info?.paused, info?.pending, info?.deadLetters ?? 0], [true, 3, 0]);
});

Deno.test("consume --breaker pauses instead of dead-lettering when a handler is broken", async () => {
  await using at = await startDaemon();
  await at.publish("t", "x", ...Array.from({ length: 30 }, (_, index) => index));
  const consume = (...command: string[]) =>
    evs([
      ...["consume", "t", "--name", "b", "--concurrency", "4", "--max-retries", "1"],
      ...["--backoff", "fixed:1ms", "--breaker", "100%/10", "--until-empty", "--", ...command],
    ], { at });
  const broken = await consume("sh", "-c", "exit 3");
  assert.equal(broken.code, 1, broken.stderr);
  assert.match(broken.stderr, /paused: 10 of the last 10 attempts failed/);
  assert.match(broken.stderr, /evs subscription resume b/);
  const [info] = await lines(at, ["subscription", "show", "b"]);
  assert.deepEqual([info?.paused, info?.settings], [true, {
    maxRetries: 1,
    maxDeliveries: 10,
    backoff: { kind: "fixed", base: 1, max: 1, jitter: false },
    eventTypes: [],
    breaker: { failing: 1, window: 10 },
  }]);
  // Events that failed for good before it tripped are dead letters; ten attempts leave at most five
  // of those.
  assert.ok(Number(info?.dead) <= 5);
  const fixed = await consume("true");
  assert.equal(fixed.code, 0, fixed.stderr);
  const [after] = await lines(at, ["subscription", "show", "b"]);
  assert.deepEqual([after?.paused, after?.pending, after?.scheduled], [false, 0, 0]);
});

Deno.test("consume --batch settles a large batch whose handler fails with much to say", async () => {
  await using at = await startDaemon();
  await at.publish("t", "x", ...Array.from({ length: 500 }, (_, index) => index));
  const handler = "cat >/dev/null; yes why | head -c 20000 >&2; exit 3";
  const consumed = await evs([
    ...["consume", "t", "--name", "b", "--batch", "500", "--max-retries", "0", "--until-empty"],
    ...["--", "sh", "-c", handler],
  ], { at });
  assert.equal(consumed.code, 6, consumed.stderr.slice(-200));
  const [info] = await lines(at, ["subscription", "show", "b"]);
  assert.deepEqual([info?.dead, info?.pending, info?.leased], [500, 0, 0]);
});

Deno.test("consume counts what its handlers did when whoever started it ignores how processes end", async () => {
  needTools("perl");
  await using at = await startDaemon();
  await at.publish("t", "n", 1, 2, 3);
  const { program, options } = evsCommand(
    ["consume", "t", "--name", "c", ...drain, "--", "sh", "-c", "exec test $EVS_SEQ != 2"],
    { at },
  );
  const { code, stderr } = await new Deno.Command("perl", {
    ...options,
    args: [...IGNORING_ENDS, program, ...options.args!],
  }).output();
  const said = new TextDecoder().decode(stderr);
  assert.equal(code, 6, said);
  assert.match(said, /2 done, 2 retried, 1 dead/);
});
