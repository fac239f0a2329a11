/**
 * Contract row 26: a command line that evs prints for copying runs nothing but evs, whatever a
 * stranger put into an id or a type.
 */
import assert from "node:assert/strict";
import { shellQuote } from "../../core/base/shell_quote.ts";
import { startDaemon, type TestDaemon } from "../helpers/daemon.ts";
import { settleAll } from "../helpers/dead_letters.ts";
import { evs, evsCommand } from "../helpers/evs.ts";

/** Would run in a shell if unquoted; without a space, because ids have none. */
const EVIL = `x;touch\${IFS}mark\`touch\${IFS}mark\`$(touch\${IFS}mark)'"`;

/** Pastes a line into a shell in a folder, in which `evs` says what it was given. */
async function pasted(line: string, cwd: string): Promise<string[]> {
  const { stdout } = await new Deno.Command("sh", {
    args: ["-c", `evs() { printf '%s\\n' "$@"; }\n${line}`],
    cwd,
  }).output();
  return new TextDecoder().decode(stdout).trimEnd().split("\n");
}

/** What a command says to people: its output is a terminal. */
async function onTerminal(at: TestDaemon, args: string[]): Promise<string> {
  const { program, options } = evsCommand(args, { at });
  const { stdout } = await new Deno.Command("script", {
    args: [
      "-qec",
      `stty cols 400; exec ${[program, ...options.args!].map(shellQuote).join(" ")}`,
      "/dev/null",
    ],
    env: options.env,
  }).output();
  return new TextDecoder().decode(stdout).replaceAll("\r", "");
}

async function deadLetter(at: TestDaemon, id: string): Promise<void> {
  const published = await at.http("POST", "/v1/topics/t/events", { id, type: "n", payload: 1 }, {
    "content-type": "application/json",
  });
  assert.equal(published.status, 200, published.text);
  for (const name of ["s1", "s2"]) {
    const made = await at.http("PUT", `/v1/subscriptions/${name}`, {
      topic: "t",
      settings: { maxRetries: 0 },
    });
    assert.equal(made.status, 201, made.text);
    await settleAll(at, { subscription: name, judge: () => ({ error: "no" }) });
  }
}

Deno.test("evs dlq shows lines to copy that a hostile event id cannot break out of", async () => {
  await using at = await startDaemon();
  const id = EVIL;
  await deadLetter(at, id);
  const shown = await onTerminal(at, ["dlq", "show", `s1:${id}`]);
  const lines = [...shown.matchAll(/: +(evs dlq .*)$/gm)].map(([, line]) => line!);
  assert.equal(lines.length, 2, shown);
  const asked = await evs(["dlq", "edit", id], { at, env: { EDITOR: "true" } });
  lines.push(.../ {2}try: (.*)$/m.exec(asked.stderr)![1]!.split(", or "));
  assert.equal(lines.length, 4, asked.stderr);
  for (const line of lines) {
    const words = await pasted(line, at.folder);
    assert.equal(words[0], "dlq");
    assert.match(words[2]!, /^s[12]:/);
    assert.equal(words[2]!.slice(3), id);
  }
  await assert.rejects(Deno.lstat(`${at.folder}/mark`), Deno.errors.NotFound);
});

Deno.test("daemon hints at lines to copy that a hostile type cannot break out of", async () => {
  await using at = await startDaemon();
  const type = EVIL;
  const made = await at.http("PUT", "/v1/topics/r", { schema: "require" });
  assert.equal(made.status, 201, made.text);
  const lines: string[] = [];
  const publish = async (topic: string) => {
    const refused = await at.http("POST", `/v1/topics/${topic}/events`, { type, payload: 1 }, {
      "content-type": "application/json",
    });
    assert.equal(refused.status, 422, refused.text);
    lines.push(refused.json.error.hint);
  };
  await publish("r");
  const registered = await at.http("PUT", `/v1/schemas/${encodeURIComponent(type)}`, {
    type: "string",
  });
  assert.equal(registered.status, 201, registered.text);
  await publish("t");
  const diff = await at.http("GET", `/v1/schemas/${encodeURIComponent(type)}/diff`);
  assert.equal(diff.status, 400, diff.text);
  lines.push(diff.json.error.hint);
  for (const line of lines) {
    const words = await pasted(line, at.folder);
    assert.equal(words[0], "schema");
    assert.equal(words[2], type);
  }
  await assert.rejects(Deno.lstat(`${at.folder}/mark`), Deno.errors.NotFound);
});
