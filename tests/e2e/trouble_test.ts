/**
 * Problems around evs (disks, folders, full pipes) are reported clearly, and never as a bug of
 * ours.
 */
import assert from "node:assert/strict";
import { osError } from "../../core/base/os_error.ts";
import { shellQuote, typedAgain } from "../../core/base/shell_quote.ts";
import { startDaemon } from "../helpers/daemon.ts";
import { evs, evsCommand } from "../helpers/evs.ts";
import { testFolder } from "../helpers/folder.ts";

/** Where Deno keeps what it has downloaded: without a home it would download it again. */
const denoDir = Deno.env.get("DENO_DIR") ?? `${Deno.env.get("HOME")}/.cache/deno`;

Deno.test("osError takes the system's words and what was asked of it, and nothing else", () => {
  const error = osError(new Error("No such file or directory (os error 2): mkdir '/x/y'"))!;
  assert.equal(error.message, "mkdir '/x/y': no such file or directory");
  assert.deepEqual([error.code, error.exit], ["system/refused", 7]);
  assert.equal(
    osError(new Error("No space left on device (os error 28)"))!.message,
    "no space left on device",
  );
  assert.equal(osError(new TypeError("x is not a function")), undefined);
});

Deno.test("typedAgain gives a line that a shell takes as it was typed", () => {
  assert.equal(shellQuote("it's"), `'it'\\''s'`);
  const typed = ["dlq", "purge", "--reason", "connect to *"];
  assert.equal(typedAgain(typed, "--yes"), "evs dlq purge --reason 'connect to *' --yes");
  assert.equal(
    typedAgain(["topic", "remove", "--", "-x"], "--yes"),
    "evs topic remove --yes -- -x",
  );
});

Deno.test("evs says what the operating system refused, without a stack", async () => {
  const folder = await testFolder("test");
  const file = `${folder}/file`;
  await Deno.writeTextFile(file, "mine");
  const at = (dataDir: string) => ({ dataDir, socket: `${folder}/evs.sock` });
  const cases: [args: string[], dataDir: string, said: RegExp][] = [
    [["daemon", "start"], `${file}/below`, /^evs: lstat '.*\/file\/below': not a directory\n$/],
    [["daemon", "logs"], file, /^evs: open '.*': not a directory\n$/],
    [["doctor"], file, /^evs: .*: not a directory\n$/],
    [["restore", file], file, /^evs: .*: not a directory\n$/],
  ];
  for (const [args, dataDir, said] of cases) {
    const { code, stderr } = await evs(args, { at: at(dataDir) });
    assert.match(stderr, said);
    assert.equal(code, 7, args.join(" "));
  }
  const config = await evs(["daemon", "start"], {
    at: at(`${folder}/data`),
    env: { EVS_CONFIG: folder },
  });
  assert.deepEqual([config.code, config.stderr], [
    2,
    `evs: ${folder} is not a plain file, so it is no config file\n` +
    "  try: EVS_CONFIG names the config file\n",
  ]);
  assert.equal(await Deno.readTextFile(file), "mine");
  const missing = await evs(["doctor"], { at: at(`${folder}/none`) });
  assert.deepEqual([missing.code, missing.stderr.split("\n")[0]], [
    1,
    `evs: there is no data dir ${folder}/none`,
  ]);
  const more = await evs(["daemon", "logs", "--verbose"], { at: at(file) });
  assert.match(more.stderr, /\n\s+at /);
  await Deno.remove(folder, { recursive: true });
});

Deno.test("evs says that standard output cannot be written, and ends with 7", async () => {
  await using daemon = await startDaemon();
  await daemon.publish("t", "n", 1);
  for (const args of [["publish", "t", "n", "1"], ["replay", "t"], ["status"]]) {
    const { program, options } = evsCommand(args, { at: daemon });
    const command = ['"$0" "$@" >/dev/full', program, ...options.args ?? []];
    const { code, stderr } = await new Deno.Command("sh", { ...options, args: ["-c", ...command] })
      .output();
    assert.deepEqual(
      [code, new TextDecoder().decode(stderr)],
      [7, "evs: standard output cannot be written: no space left on device\n"],
      args.join(" "),
    );
  }
  assert.equal((await daemon.replay("t")).length, 2);
});

Deno.test("evs publish says how a payload is typed that a shell or a person has taken the quotes of", async () => {
  await using daemon = await startDaemon();
  const cases: [payload: string, hint: RegExp][] = [
    [
      "hello",
      /column 1; nothing was stored\n {2}try: text takes --text, or is JSON in quotes: '"hello"'\n$/,
    ],
    [
      "{userId:u1}",
      /nothing was stored\n {2}try: quote JSON for the shell, as in '\{"userId":"u1"\}'\n$/,
    ],
    ['"half', /nothing was stored\n$/],
  ];
  for (const flags of [[], ["--key", "k"]]) {
    for (const [payload, hint] of cases) {
      const { code, stderr } = await evs(["publish", "t", "n", payload, ...flags], { at: daemon });
      assert.equal(code, 4);
      assert.match(stderr, hint);
    }
  }
  const wrong = await evs(["publish", "t", "n", "1", "--expect", "foo"], { at: daemon });
  assert.deepEqual([wrong.code, wrong.stderr.split("\n")[0]], [
    2,
    'evs: --expect cannot be "foo": a seq, none, exists or any is needed',
  ]);
  await daemon.publish("t", "n", 1);
  const late = await evs(["publish", "t", "n", "1", "--expect", "none"], { at: daemon });
  assert.equal(late.code, 3);
  assert.match(late.stderr, /^[^\n]*last seq is 1; nothing was stored\n/);
  const first = await evs(["publish", "t", "n", "--ndjson"], { at: daemon, stdin: "nope\n" });
  assert.match(first.stderr, /fix line 1, then: evs publish t n --ndjson\n$/);
});

Deno.test("evs asks what was meant without calling it something to type", async () => {
  await using daemon = await startDaemon();
  await daemon.http("PUT", "/v1/subscriptions/mailer", { topic: "t" });
  const { code, stderr } = await evs(["subscription", "resume", "mailr"], { at: daemon });
  assert.equal(code, 1);
  assert.match(stderr, /^evs: there is no subscription mailr\n {2}did you mean mailer\?\n$/);
});

Deno.test("evs without a home folder asks where the data dir is, and evs with needs none", async () => {
  const { program, options } = evsCommand(["status"]);
  const run = async (args: readonly string[], env: Record<string, string> = {}) => {
    const keep = { PATH: Deno.env.get("PATH")!, DENO_DIR: denoDir, NO_COLOR: "1", ...env };
    const { code, stderr } = await new Deno.Command(program, {
      ...options,
      args: [...options.args!.slice(0, -1), ...args],
      env: keep,
      clearEnv: true,
    }).output();
    return { code, stderr: new TextDecoder().decode(stderr) };
  };
  for (const args of [["status"], ["publish", "t", "n", "1"], ["daemon", "start"]]) {
    const { code, stderr } = await run(args);
    assert.equal(code, 2, stderr);
    assert.match(stderr, /^evs: HOME is not set.*\n {2}try: set EVS_DATA_DIR/);
  }
  // As started by a monitoring system, for which a 2 would be CRITICAL.
  const check = await run(["check", "lag", "--warn", "1", "--crit", "2"]);
  assert.equal(check.code, 3, check.stderr);
  assert.match(check.stderr, /^evs: HOME is not set.*\n {2}try: set EVS_DATA_DIR/);
  assert.equal((await run(["with", "--", "true"])).code, 0);
  assert.equal((await run(["status"], { EVS_DATA_DIR: "/nonexistent" })).code, 5);
});

Deno.test("evs leads on where a topic, a flag's value or another store was meant otherwise", async () => {
  await using daemon = await startDaemon();
  await daemon.publish("t", "n", 1);
  const cases: [args: string[], said: string, code: number][] = [
    [
      ["consume", "--name", "m", "--until-empty", "--", "jq", "-r", ".a b"],
      "evs: TOPIC is missing\n  try: evs consume TOPIC --name m -- jq -r '.a b'\n",
      2,
    ],
    [
      ["dlq", "list", "--since", "yesterday"],
      'evs: --since is a number with a unit, such as 500ms, 30s, 5m, 2h or 7d, not "yesterday"\n' +
      "  try: evs dlq list --help\n",
      2,
    ],
    [
      ["topic", "create", "t", "--store", "file"],
      "evs: the topic t already exists, with another store\n" +
      "  try: a topic's store is fixed: create another topic, then evs replay t --into it\n",
      3,
    ],
  ];
  for (const [args, said, code] of cases) {
    const result = await evs(args, { at: daemon });
    assert.deepEqual([result.stderr, result.code], [said, code], args.join(" "));
  }
});
