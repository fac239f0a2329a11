/**
 * Contract row 26: on a real terminal (a pty created by `script`) no command passes on control
 * characters that a stranger wrote into a payload, a type, a key, a schema or a handler's output,
 * except with `--raw`.
 */
import assert from "node:assert/strict";
import { escapeText } from "../../commands/terminal/escape.ts";
import { startDaemon, type TestDaemon } from "../helpers/daemon.ts";
import { evs, evsCommand } from "../helpers/evs.ts";
import { needTools } from "../helpers/shell.ts";

/**
 * What JSON takes as it stands and a terminal obeys: DEL, C1 (CSI, OSC), bidi, line separators,
 * what cannot be seen.
 */
const EVIL = "A\x7f\x9b31m\x9d0;owned\x9c\u202egpj.exe\u2066\u200f\u2028B";
/** The same with C0, which only words and escapes in JSON can have. */
const WORST = `${EVIL}\x1b]0;owned\x07\x1b[2J\x1b[31m\x08\r`;
/** Keys and types take no C0 and no DEL. */
const NAME = EVIL.replace("\x7f", "");

// deno-lint-ignore no-control-regex -- control characters are what this is about
const DANGEROUS = /[\x00-\x09\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/;
/** How the C1 in the texts above looks when it was escaped. */
const ESCAPED = /\\u009b31m/;

/**
 * What a command shows on a terminal of 400 columns: both its streams, as the terminal gets them.
 */
async function onTerminal(daemon: TestDaemon, args: string[]): Promise<string> {
  const { program, options } = evsCommand(args, { at: daemon });
  const words = [program, ...options.args!].map((word) => `'${word.replaceAll("'", "'\\''")}'`);
  const child = new Deno.Command("script", {
    args: ["-qec", `stty cols 400 rows 50; exec ${words.join(" ")}`, "/dev/null"],
    env: { ...options.env, TERM: "xterm" },
    stdin: "piped", // and never closed: at its end `script` would type Ctrl-D
    stdout: "piped",
    stderr: "null",
  }).spawn();
  const text = await new Response(child.stdout).text();
  await child.status;
  await child.stdin.close().catch(() => {}); // `script` has ended
  // The line discipline's own: line feeds. And a line of progress, which long work takes away
  // again.
  return text.replaceAll("\r\n", "\n").replaceAll("\r\x1b[K", "");
}

/** Everything that people look at, poisoned. */
async function poison(daemon: TestDaemon): Promise<{ dead: string }> {
  const event = { type: NAME, key: NAME, payload: { [EVIL]: WORST }, metadata: { [EVIL]: WORST } };
  const raw = JSON.stringify(event).replaceAll("\\u007f", "\x7f");
  assert.ok(raw.includes("\x9b31m"), "JSON lets it stand as it is");
  const stored = await daemon.http("POST", "/v1/topics/t/events", raw, {
    "content-type": "application/json",
  });
  assert.equal(stored.status, 200, stored.text);
  const schema = JSON.stringify({
    title: EVIL,
    type: "object",
    required: [EVIL],
    properties: { [EVIL]: { type: "number", enum: [1], description: WORST } },
    additionalProperties: false,
  });
  for (const [type, text] of [["checked", schema], [NAME, '{"type":"object"}']]) {
    const answer = await daemon.http(
      "PUT",
      `/v1/schemas/${encodeURIComponent(type!)}?version=${encodeURIComponent(NAME)}`,
      text,
    );
    assert.equal(answer.status, 201, answer.text);
  }
  const handler = `printf '%s' "$0" >&2; exit 65`;
  const command = ["sh", "-c", handler, WORST];
  const consumed = await evs(
    ["consume", "t", "--name", "s", "--until-empty", "--", ...command],
    { at: daemon },
  );
  assert.equal(consumed.code, 6, consumed.stderr);
  const [dead] = (await daemon.http("GET", "/v1/dead-letters")).text.split("\n");
  return { dead: JSON.parse(dead!).id };
}

Deno.test("no command lets control characters of a stranger through when it shows them on a terminal", async (t) => {
  needTools("script");
  await using daemon = await startDaemon();
  const { dead } = await poison(daemon);
  const wrong = await Deno.makeTempFile({ dir: daemon.folder });
  await Deno.writeTextFile(wrong, JSON.stringify({ [EVIL]: EVIL }));
  const commands: string[][] = [
    ["tail", "t", "--no-follow"],
    ["tail", "t", "--no-follow", "--json"],
    ["replay", "t"],
    ["replay", "t", "--json"],
    ["tail", "t", "--no-follow", "--format", String.raw`%y %k %p\n`],
    ["replay", "t", "--format", "%y %{}"],
    ["get", "t", "1", "--format", String.raw`%{/${EVIL}}\n`],
    ["replay", "t", "--where", `payload.x == "${EVIL}" || true`],
    ["get", "t", "1"],
    ["get", "t", "1", "--json"],
    ["get", "t", NAME],
    ["expect", "t", "--timeout", "60s"],
    ["expect", "t", "--timeout", "60s", "--json"],
    ["export", "t"],
    ["dlq", "list"],
    ["dlq", "list", "--json"],
    ["dlq", "show", dead],
    ["dlq", "show", dead, "--json"],
    ["dlq", "show", NAME],
    ["dlq", "export"],
    ["dlq", "export", dead],
    ["schema", "list"],
    ["schema", "list", "--json"],
    ["schema", "show", "checked"],
    ["schema", "show", "checked", "--json"],
    ["schema", "show", NAME, "--version", "x"],
    ["schema", "check", "checked", wrong],
    ["schema", "check", "checked", wrong, "--json"],
    ["schema", "diff", "checked", wrong],
    ["publish", "t", "checked", `@${wrong}`],
    ["publish", "t", "checked", `@${wrong}`, "--json"],
    ["publish", EVIL, "checked", "1"],
    ["publish", EVIL, "checked", "1", "--json"],
    ["topic", "create", NAME],
    ["topic", "show", NAME],
    ["subscription", "show", NAME],
    ["subscription", "list", NAME],
    [EVIL],
    ["topic", EVIL],
    ["replay", "t", `--${NAME}`],
    ["replay", "t", "--limit", EVIL],
    ["daemon", "logs"],
    ["daemon", "logs", "--json"],
  ];
  for (const args of commands) {
    await t.step(`evs ${escapeText(args.join(" "))}`, async () => {
      const shown = await onTerminal(daemon, args);
      const found = DANGEROUS.exec(shown);
      assert.equal(found, null, `${JSON.stringify(shown)} has ${JSON.stringify(found?.[0])}`);
      assert.match(shown, ESCAPED, "what was written is shown, escaped");
    });
  }
  // These show little of what was written, or nothing.
  const others = [
    ["status"],
    ["subscription", "list"],
    ["subscription", "show", "s"],
    ["doctor"],
    ["topic", "list"],
    ["dlq", "groups"],
    ["dlq", "groups", "--json"],
    ["replay", "t", "--where", `"${EVIL}`],
    ["publish", "t", "x", `{"${EVIL}`],
    ["tail", "t", "--format", `%${EVIL}`],
    ["tail", "t", "--format", `%{${EVIL}}`],
    ["publish", "t", EVIL, `@${wrong}`, "--text"],
  ];
  for (const args of others) {
    await t.step(`evs ${escapeText(args.join(" "))}`, async () => {
      const shown = await onTerminal(daemon, args);
      assert.ok(shown.length > 20, shown);
      assert.doesNotMatch(shown, DANGEROUS);
    });
  }
  await t.step("one event is one line", async () => {
    for (const args of [["tail", "t", "--no-follow"], ["replay", "t"], ["replay", "t", "--json"]]) {
      assert.equal((await onTerminal(daemon, args)).trimEnd().split("\n").length, 1);
    }
  });
  await t.step("--raw is what was stored", async () => {
    for (const verb of [["tail", "t", "--no-follow"], ["replay", "t"], ["get", "t", "1"]]) {
      const shown = await onTerminal(daemon, [...verb, "--raw"]);
      assert.ok(shown.includes(EVIL), shown);
      assert.ok(!shown.includes('"payload"'), "the payload alone");
    }
  });
});

Deno.test("evs daemon logs is readable on a terminal, and the log's own bytes elsewhere", async () => {
  needTools("script");
  await using daemon = await startDaemon();
  await daemon.http("PUT", "/v1/topics/t", {});
  const path = `${daemon.dataDir}/log/daemon.log`;
  // An entry that is not at its end yet.
  await Deno.writeTextFile(path, '{"time":"now', { append: true });
  const shown = await onTerminal(daemon, ["daemon", "logs"]);
  assert.match(
    shown,
    /^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d[+-]\d\d:\d\d info {4}topic created topic=t/m,
  );
  assert.match(shown, /^\{"time":"now$/m);
  const [first] = (await onTerminal(daemon, ["daemon", "logs", "--json"])).split("\n");
  assert.equal(JSON.parse(first!).level, "info");
  const piped = await evs(["daemon", "logs"], { at: daemon });
  assert.equal(piped.stdout, await Deno.readTextFile(path));
});
