/** Completion scripts and what they offer, in a real shell. */
import assert from "node:assert/strict";
import { buildCommand, buildRouteMap } from "@stricli/core";
import { completionScript, shells } from "../../../commands/completion/scripts.ts";
import { completionTree } from "../../../commands/completion/tree.ts";

const text = { parse: String, brief: "text" };

interface ConsumeFlags {
  name: string;
  maxRetries?: string;
  stdin: "payload" | "event";
  untilEmpty: boolean;
  color: boolean;
  secret: boolean;
}

const consume = buildCommand({
  func: (_flags: ConsumeFlags, ..._topics: string[]) => {},
  parameters: {
    flags: {
      name: { kind: "parsed", ...text },
      maxRetries: { kind: "parsed", ...text, optional: true },
      stdin: { kind: "enum", values: ["payload", "event"], brief: "what", default: "payload" },
      untilEmpty: { kind: "boolean", brief: "end", default: false },
      color: { kind: "boolean", brief: "it's colour", default: true },
      secret: { kind: "boolean", brief: "none sees it", default: false, hidden: true },
    },
    aliases: { n: "name" },
    positional: { kind: "array", parameter: { ...text, placeholder: "TOPIC" } },
  },
  docs: { brief: "Consume" },
});
const show = buildCommand({
  func: (_flags: Record<never, never>, _type: string, _file: string) => {},
  parameters: {
    positional: {
      kind: "tuple",
      parameters: [{ ...text, placeholder: "TYPE" }, { ...text, placeholder: "FILE" }],
    },
  },
  docs: { brief: "Show" },
});
const schema = buildRouteMap({
  routes: { show, register: show, hidden: show },
  docs: { brief: "Schemas", hideRoute: { hidden: true } },
});
const tree = completionTree([
  { name: "consume", brief: "Consume", target: consume },
  { name: "schema", brief: "Schemas", target: schema },
]);

/**
 * What bash proposes for a line whose last word is being typed. `names` stands in for the running
 * daemon.
 */
async function bash(line: string, names: readonly string[] = []): Promise<string[]> {
  const script = `
${completionScript("bash", tree)}
evs() { printf '%s\\n' "$*" >&2; printf '%s\\n' "\${NAMES[@]}"; }
NAMES=("$@")
COMP_WORDS=(${line === "" ? "" : line.split(" ").map((word) => `'${word}'`).join(" ")})
COMP_CWORD=$((\${#COMP_WORDS[@]} - 1))
_evs
printf '%s\\n' "\${COMPREPLY[@]}"
`;
  const output = await new Deno.Command("bash", {
    args: ["--norc", "-c", script, "bash", ...names],
    stdin: "null",
  }).output();
  assert.equal(output.success, true, new TextDecoder().decode(output.stderr));
  return new TextDecoder().decode(output.stdout).split("\n").filter((word) => word !== "");
}

Deno.test("the bash script completes verbs when a verb is typed", async () => {
  assert.deepEqual(await bash("evs "), ["consume", "schema"]);
  assert.deepEqual(await bash("evs co"), ["consume"]);
  assert.deepEqual(await bash("evs schema "), ["show", "register"]);
});

Deno.test("the bash script completes flags when a dash is typed", async () => {
  assert.deepEqual(await bash("evs consume --"), [
    "--name",
    "--max-retries",
    "--stdin",
    "--until-empty",
    "--color",
    "--no-color",
    "--help",
  ]);
  assert.deepEqual(await bash("evs consume t --m"), ["--max-retries"]);
});

Deno.test("the bash script completes a flag's values when one is due", async () => {
  assert.deepEqual(await bash("evs consume --stdin "), ["payload", "event"]);
  assert.deepEqual(await bash("evs consume --max-retries "), []);
  assert.deepEqual(await bash("evs consume --name m", ["mailer", "other"]), ["mailer"]);
  assert.deepEqual(await bash("evs consume -n m", ["mailer", "other"]), ["mailer"]);
});

Deno.test("the bash script completes names when a name is due", async () => {
  assert.deepEqual(await bash("evs consume us", ["users", "orders"]), ["users"]);
  assert.deepEqual(await bash("evs consume --until-empty users us", ["users"]), ["users"]);
  assert.deepEqual(await bash("evs schema show ", ["user.created"]), ["user.created"]);
});

Deno.test("the bash script quotes what it offers when a name holds a command", async () => {
  const evil = "$(echo pwned >&2; exit 9)`touch x`";
  assert.deepEqual(await bash("evs schema show ", [evil]), [
    "\\$\\(echo\\ pwned\\ \\>\\&2\\;\\ exit\\ 9\\)\\`touch\\ x\\`",
  ]);
});

Deno.test("the bash script completes an id that readline has cut when it has a colon in it", async () => {
  const ids = ["billing:paid-1", "billing:paid-2", "other"];
  assert.deepEqual(await bash("evs schema show billing : pa", ids), ["paid-1", "paid-2"]);
  assert.deepEqual(await bash("evs schema show billing :", ids), ["paid-1", "paid-2"]);
  assert.deepEqual(await bash("evs schema show billing:paid-2", ids), ["billing:paid-2"]);
});

Deno.test("the bash script completes commands when a double dash was typed", async () => {
  assert.ok((await bash("evs consume users -- bas")).includes("bash"));
});

Deno.test("completionScript leaves nothing visible out when it is made for any shell", () => {
  for (const shell of shells) {
    const script = completionScript(shell, tree);
    for (const word of ["consume", "register", "max-retries", "until-empty", "no-color"]) {
      assert.ok(script.includes(word), `${shell} misses ${word}`);
    }
    assert.ok(!script.includes("secret") && !script.includes("hidden"), shell);
  }
});
