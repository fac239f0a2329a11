/**
 * A question that is answered with no: nothing is done, stderr says so, and the exit code is 1, in
 * every command that asks.
 */
import assert from "node:assert/strict";
import type { CommandRoute } from "../../commands/cli/define.ts";
import { isGroup } from "../../commands/cli/help_page.ts";
import { verbs } from "../../commands/mod.ts";
import { newDaemon, type TestDaemon } from "../helpers/daemon.ts";
import { settleAll } from "../helpers/dead_letters.ts";
import { evs, evsCommand, until } from "../helpers/evs.ts";
import { needTools } from "../helpers/shell.ts";

/** How each command that asks is typed, without --yes, and what it says to a no. */
const ASKING: Record<string, { args: string[]; says: RegExp }> = {
  "schema remove": { args: ["checked", "--version", "1.0"], says: /nothing was removed/ },
  "dlq remove": { args: ["--all"], says: /nothing was removed/ },
  "dlq purge": { args: ["--subscription", "s"], says: /nothing was removed/ },
  "topic remove": { args: ["t"], says: /nothing was removed/ },
  "redact": { args: ["t", "1"], says: /nothing was redacted/ },
  "subscription seek": { args: ["s", "start"], says: /s stays where it is/ },
  "subscription remove": { args: ["s"], says: /nothing was removed/ },
};

function* askingCommands(route: CommandRoute, path: string[]): Generator<string> {
  if (!isGroup(route)) {
    if ("yes" in (route.parameters.flags ?? {})) yield path.join(" ");
    return;
  }
  for (const { name, target } of route.getAllEntries()) {
    yield* askingCommands(target, [...path, name["convert-camel-to-kebab"]]);
  }
}

/** Types the command at a terminal, and n. */
async function declined(at: TestDaemon, args: string[]): Promise<{ code: number; shown: string }> {
  const { program, options } = evsCommand(args, { at });
  const words = [program, ...options.args!].map((word) => `'${word.replaceAll("'", "'\\''")}'`);
  const child = new Deno.Command("script", {
    args: ["-qec", `stty cols 400 rows 50; exec ${words.join(" ")}`, "/dev/null"],
    env: { ...options.env, TERM: "xterm" },
    stdin: "piped",
    stdout: "piped",
    stderr: "null",
  }).spawn();
  const typing = child.stdin.getWriter();
  const decoder = new TextDecoder();
  let shown = "";
  for await (const chunk of child.stdout) {
    const wasAsked = shown.includes("[y/N]");
    shown += decoder.decode(chunk, { stream: true });
    if (!wasAsked && shown.includes("[y/N]")) await typing.write(new TextEncoder().encode("n\n"));
  }
  const { code } = await child.status;
  await typing.close().catch(() => {}); // `script` has ended
  return { code, shown };
}

Deno.test("every command that asks does nothing, says so and exits with 1 when the answer is no", async () => {
  needTools("script");
  await using at = await newDaemon();
  const spool = await evs(["publish", "t", "x", "1", "--spool", "--json"], { at });
  assert.equal(spool.code, 0, spool.stderr);
  const { id } = JSON.parse((await evs(["spool", "list"], { at })).stdout);
  const kept = await declined(at, ["spool", "remove", id]);
  assert.match(kept.shown, /nothing was removed/);
  assert.equal(kept.code, 1, kept.shown);
  await at.start();
  await until(async () => (await at.http("GET", "/v1/topics/t/events")).text !== "");
  await at.http("PUT", "/v1/schemas/checked?version=1.0", { type: "object" });
  await at.http("PUT", "/v1/subscriptions/s", { topic: "t" });
  await settleAll(at, { subscription: "s", judge: () => ({ error: "no", dead: true }) });

  const found: string[] = [];
  for (const [verb, { load }] of verbs) found.push(...askingCommands((await load()).route, [verb]));
  assert.deepEqual(found.toSorted(), [...Object.keys(ASKING), "spool remove"].toSorted());
  for (const [command, { args, says }] of Object.entries(ASKING)) {
    const { code, shown } = await declined(at, [...command.split(" "), ...args]);
    assert.match(shown, says, `${command}: ${shown}`);
    assert.equal(code, 1, `${command}: ${shown}`);
  }
  const { text } = await at.http("GET", "/v1/topics/t/events");
  assert.equal(JSON.parse(text).payload, 1);
  const status = (await at.http("GET", "/v1/status")).json;
  assert.deepEqual([status.deadLetters, status.schemas, status.subscriptions], [1, 1, 1]);
});
