/** The flags of `evs publish` and how its input is read. */
import assert from "node:assert/strict";
import { startDaemon } from "../helpers/daemon.ts";
import { evs, evsCommand, RunningEvs, until } from "../helpers/evs.ts";

const encoder = new TextEncoder();

Deno.test("publish stores an argument, a file and standard input byte for byte, with its receipt", async () => {
  await using at = await startDaemon();
  const file = `${at.folder}/payload.json`;
  await Deno.writeTextFile(file, `{"n": 9007199254740993}\n`);
  const one = await evs(["publish", "t", "x", `{"a":1.0}`], { at });
  assert.equal(one.code, 0, one.stderr);
  const receipt = JSON.parse(one.stdout);
  assert.deepEqual([receipt.topic, receipt.seq], ["t", 1]);
  const two = await evs(
    ["publish", "t", "x", `@${file}`, "--key", "k", "--meta", "a=b=c", "--id", "mine"],
    { at },
  );
  assert.equal(two.stdout, `{"topic":"t","seq":2,"id":"mine","keySeq":1}\n`);
  const three = await evs(["publish", "t", "x", "-"], { at, stdin: `[1,2]\n` });
  assert.equal(JSON.parse(three.stdout).seq, 3);
  const again = await evs(["publish", "t", "x", "0", "--id", "mine"], { at });
  assert.equal(again.code, 0);
  assert.equal(again.stdout, `{"topic":"t","seq":2,"id":"mine","duplicate":true}\n`);
  const quiet = await evs(["publish", "t", "x", "4", "--quiet"], { at });
  assert.equal(quiet.stdout + quiet.stderr, "");

  const lines = (await at.http("GET", "/v1/topics/t/events")).text.trimEnd().split("\n");
  assert.deepEqual(lines.map((line) => /"payload":(.*)}$/.exec(line)?.[1]), [
    `{"a":1.0}`,
    `{"n": 9007199254740993}`,
    `[1,2]`,
    `4`,
  ]);
  const second = JSON.parse(lines[1] ?? "");
  assert.equal(second.key, "k");
  assert.deepEqual(second.metadata, { a: "b=c" });
});

Deno.test("publish ends with 4 when an event is refused and with 3 when an expectation fails", async () => {
  await using at = await startDaemon();
  const wrong = await evs(["publish", "t", "x", "{nope"], { at });
  assert.equal(wrong.code, 4, wrong.stderr);
  assert.match(wrong.stderr, /^evs: /);
  const none = await evs(["publish", "t", "x", "1", "--expect", "none"], { at });
  assert.equal(none.code, 0, none.stderr);
  const conflict = await evs(["publish", "t", "x", "2", "--expect", "none"], { at });
  assert.equal(conflict.code, 3, conflict.stderr);
  assert.equal((await at.replay("t")).length, 1);
});

Deno.test("publish --ndjson stores a payload a line and prints one summary", async () => {
  await using at = await startDaemon();
  const { code, stdout, stderr } = await evs(
    ["publish", "t", "x", "--ndjson", "--key-pointer", "/k", "--id-prefix", "run"],
    { at, stdin: `{"k":"a"}\n\n{"k":"b"}\n{"k":3}` },
  );
  assert.equal(code, 0, stderr);
  assert.deepEqual(JSON.parse(stdout), {
    topic: "t",
    count: 3,
    duplicates: 0,
    firstSeq: 1,
    lastSeq: 3,
    lines: 3,
    refused: 0,
    durable: true,
  });
  const events = await at.replay("t");
  assert.deepEqual(events.map(({ id, key }) => [id, key]), [
    ["run-1", "a"],
    ["run-3", "b"],
    ["run-4", "3"],
  ]);
});

Deno.test("publish --ndjson stops at a refused line, tells what was kept and how to go on", async () => {
  await using at = await startDaemon();
  const { code, stdout, stderr } = await evs(["publish", "t", "x", "--ndjson"], {
    at,
    stdin: "1\n2\n{nope\n4\n",
  });
  assert.equal(code, 4, stderr);
  assert.match(stderr, /^evs: line 3: .*; 2 events before it were stored, nothing behind it\n/);
  assert.match(stderr, /fix line 3, then: evs publish t x --ndjson --skip 2\n$/);
  assert.equal(JSON.parse(stdout).count, 2);
  assert.deepEqual((await at.replay("t")).map(({ payload }) => payload), [1, 2]);
  const rest = await evs(["publish", "t", "x", "--ndjson", "--skip", "2"], {
    at,
    stdin: "1\n2\n3\n4\n",
  });
  assert.equal(rest.code, 0, rest.stderr);
  assert.deepEqual((await at.replay("t")).map(({ payload }) => payload), [1, 2, 3, 4]);
});

Deno.test("publish --ndjson does not advise to type a wrong name again", async () => {
  await using at = await startDaemon();
  const { code, stderr } = await evs(["publish", "a b", "x", "--ndjson"], { at, stdin: "1\n" });
  assert.equal(code, 2);
  assert.match(
    stderr,
    /has " " at character 2: 0 lines acknowledged\n {2}try: a name is 1 to 128 /,
  );
});

Deno.test("publish --ndjson tells of a refused line when more requests have been sent behind it", async () => {
  await using at = await startDaemon();
  // A last line without a line feed is a request of its own, sent before the first is answered.
  const ends = ["3", "3\n4\n5"];
  for (const end of ends) {
    const { code, stdout, stderr } = await evs(["publish", "t", "x", "--ndjson"], {
      at,
      stdin: `1\nno\n${end}`,
    });
    assert.equal(code, 4, stderr);
    assert.match(stderr, /^evs: line 2: not valid JSON: .*; 1 event before it was stored/);
    assert.equal(JSON.parse(stdout).count, 1);
  }
  assert.deepEqual((await at.replay("t")).map(({ payload }) => payload), [1, 1]);
});

Deno.test("publish --on-error skip names each refused line and ends with 6", async () => {
  await using at = await startDaemon();
  const { code, stdout, stderr } = await evs(
    ["publish", "t", "x", "--ndjson", "--on-error", "skip", "--json"],
    { at, stdin: "1\nno\n3\nno\n" },
  );
  assert.equal(code, 6, stderr);
  const refused = stderr.trimEnd().split("\n").map((line) => JSON.parse(line).error);
  assert.deepEqual(refused.map(({ code, details }) => [code, details.line]), [
    ["event/invalid-json", 2],
    ["event/invalid-json", 4],
  ]);
  assert.equal(JSON.parse(stdout).refused, 2);
  assert.deepEqual((await at.replay("t")).map(({ payload }) => payload), [1, 3]);
});

Deno.test("publish --envelope takes back what replay prints, without loss", async () => {
  await using at = await startDaemon();
  await evs(["publish", "a", "x", `{"n":1.0,"n":2}`, "--key", "k", "--meta", "m=1"], { at });
  await evs(["publish", "a", "y", `"\\ud800"`, "--id", "mine"], { at });
  const printed = await evs(["replay", "a"], { at });
  assert.equal(printed.code, 0, printed.stderr);
  const copied = await evs(["publish", "b", "--envelope"], { at, stdin: printed.stdout });
  assert.equal(copied.code, 0, copied.stderr);
  const copy = await evs(["replay", "b"], { at });
  assert.equal(copy.stdout, printed.stdout.replaceAll(`"topic":"a"`, `"topic":"b"`));
});

Deno.test("publish --ndjson delivers a line of a stream that goes on, before its end", async () => {
  await using at = await startDaemon();
  const command = evsCommand(["publish", "t", "x", "--ndjson"], { at, stdin: "" });
  const child = new Deno.Command(command.program, command.options).spawn();
  const writer = child.stdin.getWriter();
  for (let i = 1; i <= 3; i++) {
    await writer.write(encoder.encode(`${i}\n`));
    await until(async () => {
      const answer = await at.http("GET", "/v1/topics/t/events");
      return answer.status === 200 && answer.text.split("\n").length === i + 1;
    });
  }
  await writer.close();
  const { code } = await child.output();
  assert.equal(code, 0);
});

Deno.test("publish --ndjson says how many lines were acknowledged when the daemon is killed", async () => {
  await using at = await startDaemon();
  const argv = ["publish", "t", "x", "--ndjson", "--wait", "100ms"];
  const running = new RunningEvs(argv, { at, stdin: "" });
  const writer = running.child.stdin.getWriter();
  await writer.write(encoder.encode("1\n2\n3\n"));
  await until(async () => {
    const answer = await at.http("GET", "/v1/topics/t/events");
    return answer.status === 200 && answer.text.split("\n").length === 4;
  });
  // The lines can be read just before they are acknowledged; answers come in order of the appends.
  await at.publish("other", "x", 1);
  await at.kill("SIGKILL");
  await writer.write(encoder.encode("4\n"));
  const status = await running.end();
  assert.equal(status.code, 5, running.stderr);
  assert.match(running.stderr, /the daemon went away: 3 lines acknowledged/);
  assert.match(running.stderr, /try: evs publish t x --ndjson --wait 100ms --skip 3\n/);
  await writer.close().catch(() => {});
  await at.start();
});

Deno.test("publish --ndjson that is interrupted sends no half line and tells the last acknowledged one", async () => {
  await using at = await startDaemon();
  for (const [signal, code] of [["SIGINT", 130], ["SIGTERM", 143]] as const) {
    const running = new RunningEvs(["publish", signal, "x", "--ndjson"], { at, stdin: "" });
    const writer = running.child.stdin.getWriter();
    await writer.write(encoder.encode("1\n2\n3\n12"));
    await until(async () => {
      const answer = await at.http("GET", `/v1/topics/${signal}/events`);
      return answer.status === 200 && answer.text.split("\n").length === 4;
    });
    running.child.kill(signal);
    const status = await running.end();
    assert.equal(status.code, code, running.stderr);
    assert.equal(JSON.parse(running.stdout).count, 3);
    assert.equal(
      running.stderr,
      "interrupted; the last acknowledged line is 3\n" +
        `  to go on: evs publish ${signal} x --ndjson --skip 3\n`,
    );
    await writer.close().catch(() => {});
    assert.deepEqual((await at.replay(signal)).map(({ payload }) => payload), [1, 2, 3]);
  }
});
