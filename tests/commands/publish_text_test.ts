/** `evs publish --text`, `--lines` and `--binary`: text in, and the same text out again. */
import assert from "node:assert/strict";
import { connect } from "../../mod.ts";
import { newDaemon, startDaemon, type TestDaemon } from "../helpers/daemon.ts";
import { evs, evsCommand, until } from "../helpers/evs.ts";

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** Runs `evs` with any bytes as its standard input. */
async function evsBytes(
  args: readonly string[],
  { at, stdin }: { at: TestDaemon; stdin: Uint8Array },
): Promise<{ code: number; stdout: Uint8Array; stderr: string }> {
  const command = evsCommand(args, { at, stdin: "" });
  const child = new Deno.Command(command.program, command.options).spawn();
  const writer = child.stdin.getWriter();
  await writer.write(stdin);
  await writer.close();
  const { code, stdout, stderr } = await child.output();
  return { code, stdout, stderr: decoder.decode(stderr) };
}

/** Bytes that are no UTF-8 anywhere. */
function bytesOf(...parts: (string | number)[]): Uint8Array {
  return Uint8Array.from(
    parts.flatMap((part) => typeof part === "number" ? [part] : [...encoder.encode(part)]),
  );
}

const payloads = async (at: TestDaemon, topic: string) =>
  (await at.replay(topic)).map(({ payload }) => payload);

Deno.test("publish --text stores an argument and standard input as a JSON string", async () => {
  await using at = await startDaemon();
  const typed = ['Call "Ada" \\ back\n', "@not-a-file", "", "42", "\u{1f600} ü"];
  for (const text of typed) {
    const { code, stderr } = await evs(["publish", "t", "note", text, "--text"], { at });
    assert.equal(code, 0, stderr);
  }
  const flag = await evs(["publish", "t", "note", "--text", "--", "--text"], { at });
  assert.equal(flag.code, 0, flag.stderr);
  const stdin = 'two "lines"\nand a tab\t\x01\n';
  const one = await evs(["publish", "t", "note", "-", "--text", "--id", "mine"], { at, stdin });
  assert.equal(one.stdout, `{"topic":"t","seq":7,"id":"mine"}\n`, one.stderr);
  const wanted = [...typed, "--text", stdin];
  assert.deepEqual(await payloads(at, "t"), wanted);

  // Over HTTP and in the library it is a string like any other.
  const answer = await at.http("GET", "/v1/topics/t/events?from=1&to=1");
  assert.equal(JSON.parse(answer.text).payload, typed[0]);
  await using broker = await connect({ socket: at.socket });
  const events = await broker.getEventStore().getEvents("t");
  assert.deepEqual(events.map(({ payload }) => payload), wanted);
});

Deno.test("publish --text says that a file is not read", async () => {
  await using at = await startDaemon();
  await Deno.writeTextFile(`${at.folder}/a note.txt`, "inside");
  const args = ["publish", "t", "note", `@${at.folder}/a note.txt`, "--text"];
  const { code, stderr } = await evs(args, { at });
  assert.equal(code, 0, stderr);
  assert.match(
    stderr,
    /^@\S+a note\.txt is text here, not a file; for a file: - <'\S+a note\.txt'\n$/,
  );
  assert.deepEqual(await payloads(at, "t"), [args[3]]);
});

Deno.test("publish --lines stores each line as a JSON string, and replay --raw prints the same bytes", async () => {
  await using at = await startDaemon();
  const lines = ["plain", 'a "quote" \\ and\ta tab\r', "", '{"n":1}', "ü € \u{1f600}", "\x00\x1f"];
  const stdin = lines.join("\n");
  const args = ["publish", "t", "line", "--lines", "--key", "k", "--id-prefix", "run"];
  for (const duplicates of [0, lines.length]) {
    const { code, stdout, stderr } = await evs(args, { at, stdin });
    assert.equal(code, 0, stderr);
    const receipt = JSON.parse(stdout);
    assert.deepEqual([receipt.lines, receipt.duplicates], [lines.length, duplicates]);
  }
  assert.deepEqual(await payloads(at, "t"), lines);
  assert.deepEqual((await at.replay("t")).map(({ id, key }) => [id, key])[2], ["run-3", "k"]);
  for (const verb of [["replay", "t"], ["tail", "t", "--no-follow"]]) {
    assert.equal((await evs([...verb, "--raw"], { at })).stdout, `${stdin}\n`);
  }
});

Deno.test("publish --lines refuses what is not UTF-8 by its line, and says what else to type", async () => {
  await using at = await startDaemon();
  const stdin = bytesOf("one\n\ntab\t", 0xc3, 0x28, "\nfour\n", 0xff);
  const stop = await evsBytes(["publish", "t", "line", "--lines"], { at, stdin });
  assert.equal(stop.code, 4, stop.stderr);
  assert.match(
    stop.stderr,
    /^evs: line 3: byte 6 of the line is not UTF-8; 2 events before it were stored, nothing behind it\n/,
  );
  assert.match(
    stop.stderr,
    /try: --binary takes any bytes, as base64; or fix line 3, then: evs publish t line --lines --skip 2\n$/,
  );
  const skip = ["publish", "t", "line", "--lines", "--skip", "2", "--on-error", "skip"];
  const rest = await evsBytes(skip, { at, stdin });
  assert.equal(rest.code, 6, rest.stderr);
  assert.match(rest.stderr, /^evs: line 3: byte 6 .*\n.*--binary.*\nevs: line 5: byte 1 .*\n$/);
  assert.deepEqual(await payloads(at, "t"), ["one", "", "four"]);
  const one = await evsBytes(["publish", "t", "line", "-", "--text"], { at, stdin });
  assert.equal(one.code, 4);
  assert.match(one.stderr, /^evs: line 3: byte 6 of the line is not UTF-8; nothing was stored\n/);
  assert.equal((await at.replay("t")).length, 3);
});

Deno.test("evs publish --lines --spool keeps every line that is UTF-8, blank ones too", async () => {
  await using at = await newDaemon();
  const stdin = bytesOf('a "b"\\\n\n \t\n', 0xff, "\nü\r");
  const stopped = await evsBytes(["publish", "t", "x", "--lines", "--spool"], { at, stdin });
  assert.equal(stopped.code, 4);
  assert.match(stopped.stderr, /line 4: byte 1 .*3 events before it were kept, nothing behind it/);
  assert.match(stopped.stderr, /--binary/);
  const flags = ["--skip", "3", "--on-error", "skip", "--spool"];
  const skipped = await evsBytes(["publish", "t", "x", "--lines", ...flags], { at, stdin });
  assert.equal(skipped.code, 6, skipped.stderr);
  await at.start();
  await until(async () => (await at.http("GET", "/v1/topics/t")).json.lastSeq === 4);
  assert.deepEqual(await payloads(at, "t"), ['a "b"\\', "", " \t", "ü\r"]);
});

Deno.test("POST with text=lines takes lines of any content type, checks them by a schema and says where one is wrong", async () => {
  await using at = await startDaemon();
  await at.http("PUT", "/v1/schemas/short", { type: "string", maxLength: 3 });
  const path = "/v1/topics/t/events?text=lines";
  const post = (query: string, body: Uint8Array, type = "text/plain") =>
    at.http("POST", `${path}${query}`, body, { "content-type": type });
  for (const type of ["text/plain", "application/x-www-form-urlencoded", "application/x-ndjson"]) {
    const { status, json } = await post("&type=line", bytesOf('{"a":1}\n\nlast'), type);
    assert.deepEqual([status, json.count, json.lines], [200, 3, 3], type);
  }
  const checked = await post("&type=short&idPrefix=p", bytesOf('"\n\nlong\n'));
  assert.equal(checked.status, 422);
  assert.equal(checked.json.count, 2);
  assert.match(checked.json.error.message, /^line 3: .*3 characters/);
  const broken = await post("&type=line&onError=skip", bytesOf("\tok\n\ta", 0xff, "\nok"));
  assert.deepEqual([broken.status, broken.json.count], [200, 2]);
  assert.match(broken.json.refused[0].message, /^byte 3 of the line is not UTF-8$/);
  const stored = await at.replay("t");
  assert.deepEqual(stored.map(({ payload }) => payload).slice(6), [
    ...['{"a":1}', "", "last"],
    ...['"', "", "\tok", "ok"],
  ]);
  assert.deepEqual(stored.slice(9, 11).map(({ id }) => id), ["p-1", "p-2"]);
  for (
    const [query, says] of [
      ["", /text goes with a type/],
      ["&type=x&keyPointer=/a", /without keyPointer/],
      ["&type=x&id=1", /id goes with one event/],
      ["&type=x&text=all", /text/],
    ] as const
  ) {
    const { status, json } = await post(query, bytesOf("a"));
    assert.equal(status, 400, query);
    assert.match(json.error.message, says, query);
  }
});

Deno.test("publish --binary stores any bytes as base64 with a media type, and --raw prints them again", async () => {
  await using at = await startDaemon();
  const stdin = bytesOf(0xef, 0xbb, 0xbf, "one\n\n", 0x00, 0xff, "\r\n", 0xfe);
  const lines = await evsBytes(["publish", "t", "line", "--lines", "--binary"], { at, stdin });
  assert.equal(lines.code, 0, lines.stderr);
  const image = ["publish", "i", "image", "-", "--text", "--binary"];
  const one = await evsBytes([...image, "--meta", "contentMediaType=image/png"], { at, stdin });
  assert.equal(one.code, 0, one.stderr);
  assert.deepEqual((await at.replay("t")).map(({ metadata }) => metadata)[1], {
    contentMediaType: "application/octet-stream",
    contentEncoding: "base64",
  });
  const [event] = await at.replay("i");
  assert.deepEqual(event?.metadata, { contentMediaType: "image/png", contentEncoding: "base64" });
  assert.deepEqual(Uint8Array.fromBase64(String(event?.payload)), stdin);

  const all = await evsBytes(["replay", "t", "--raw"], { at, stdin: bytesOf() });
  assert.deepEqual(all.stdout, bytesOf(...stdin, "\n"));
  const got = await evsBytes(["get", "i", "1", "--raw"], { at, stdin: bytesOf() });
  assert.deepEqual(got.stdout, stdin);
});

Deno.test("publish --ndjson that meets text names --lines, and of a broken object it does not", async () => {
  await using at = await startDaemon();
  for (const text of ["server started", "2026-11-29 up", "[INFO] up", "true story"]) {
    const { code, stderr } = await evs(["publish", "t", "line", "--ndjson"], {
      at,
      stdin: `1\n${text}\n`,
    });
    assert.equal(code, 4);
    assert.match(stderr, /^evs: line 2: not valid JSON: .*1 event before it was stored/);
    assert.match(
      stderr,
      /try: for lines of text: --lines, not --ndjson; or fix line 2, then: evs /,
    );
  }
  const skip = ["publish", "t", "line", "--ndjson", "--on-error", "skip"];
  assert.match((await evs(skip, { at, stdin: "up\n" })).stderr, /try: for lines of text: --lines/);
  const broken = await evs(["publish", "t", "line", "--ndjson"], { at, stdin: '{"a":\n' });
  assert.match(broken.stderr, /try: fix line 1, then: evs publish t line --ndjson\n$/);
});

Deno.test("publish --lines delivers a line of a stream that goes on, before its end", async () => {
  await using at = await startDaemon();
  const command = evsCommand(["publish", "t", "line", "--lines"], { at, stdin: "" });
  const child = new Deno.Command(command.program, command.options).spawn();
  const writer = child.stdin.getWriter();
  for (let i = 1; i <= 3; i++) {
    await writer.write(encoder.encode(`" ${i}\nhalf`));
    await until(async () => {
      const answer = await at.http("GET", "/v1/topics/t/events");
      return answer.status === 200 && answer.text.split("\n").length === i + 1;
    });
  }
  await writer.close();
  assert.equal((await child.output()).code, 0);
  assert.deepEqual(await payloads(at, "t"), ['" 1', 'half" 2', 'half" 3', "half"]);
});

Deno.test("publish refuses flags that do not go with text", async () => {
  const wrong: [args: string[], message: RegExp][] = [
    [["x", "a", "--text", "--lines"], /--text and --lines exclude each other/],
    [["x", "--lines", "--ndjson"], /--ndjson and --lines exclude each other/],
    [["x", "a", "--lines"], /a PAYLOAD does not go with --lines/],
    [["x", "--text"], /a PAYLOAD is needed: the text, or - for standard input/],
    [["x", "1", "--binary"], /--binary goes with --text or --lines/],
    [["x", "--ndjson", "--binary"], /--binary goes with --text or --lines/],
    [["x", "--lines", "--key-pointer", "/a"], /--key-pointer points into JSON/],
    [["x", "a", "--text", "--skip", "1"], /--skip goes with --ndjson, --lines or --envelope/],
    [["x", "--lines", "--id", "a"], /--id names one event/],
  ];
  for (const [args, message] of wrong) {
    const { code, stderr } = await evs(["publish", "t", ...args]);
    assert.equal(code, 2, stderr);
    assert.match(stderr, message);
  }
});

Deno.test("consume --stdin text gives a handler strings as text, and bytes as they were", async () => {
  await using at = await startDaemon();
  await evs(["publish", "t", "note", 'a "b"\nc', "--text"], { at });
  await evs(["publish", "t", "note", '{"n": 1.0}'], { at });
  await evsBytes(["publish", "t", "note", "-", "--text", "--binary"], { at, stdin: bytesOf(0xff) });
  const consume = (name: string, ...flags: string[]) =>
    evsBytes(
      ["consume", "t", "--name", name, "--until-empty", "--stdin", "text", ...flags, "--", "cat"],
      { at, stdin: bytesOf() },
    );
  const each = await consume("each");
  assert.equal(each.code, 0, each.stderr);
  assert.deepEqual(each.stdout, bytesOf('a "b"\nc\n{"n": 1.0}\n', 0xff));
  const batch = await consume("batch", "--batch", "3");
  assert.deepEqual(batch.stdout, bytesOf('a "b"\nc\n{"n": 1.0}\n', 0xff, "\n"), batch.stderr);
});
