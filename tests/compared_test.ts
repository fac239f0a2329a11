/** docs/compared.md names only commands and flags of `evs` that are there, and explains its notes. */
import assert from "node:assert/strict";
import { commandsOf, commandTable } from "../commands/manual/command_table.ts";
import { verbs } from "../commands/mod.ts";

const page = await Deno.readTextFile(new URL("../docs/compared.md", import.meta.url));
const [, ...blocks] = page.split(/^```/m);
const shell = blocks.filter((block) => block.startsWith("sh\n")).join("\n");

Deno.test("docs/compared.md types only commands and flags of evs that are there", async () => {
  const commands = commandsOf(await commandTable(verbs));
  const typed = shell.split(/[\n;|]/).map((line) => line.trim()).filter((line) =>
    line.startsWith("evs ")
  );
  assert.ok(typed.length >= 6, `${typed.length} lines`);
  for (const line of typed) {
    const words = line.slice("evs ".length);
    const command = commands.find(({ path }) => `${words} `.startsWith(`${path} `));
    assert.ok(command !== undefined, `there is no command in: ${line}`);
    const known = command.inputs.flags.map(([flag]) => flag).join(" ");
    const own = words.split(" -- ")[0] ?? "";
    for (const [flag] of own.matchAll(/(?<=\s)-{1,2}[a-z][a-z-]*/g)) {
      assert.match(known, new RegExp(`${flag}\\b`), `${flag} in: ${line}`);
    }
  }
});

Deno.test("docs/compared.md explains each of its notes, and has no other", () => {
  const table = page.split("\n").filter((line) => line.startsWith("|")).join("\n");
  const named = new Set(Array.from(table.matchAll(/\((\d+)\)/g), ([, number]) => number));
  const explained = Array.from(page.matchAll(/^(\d+)\. /gm), ([, number]) => number);
  assert.deepEqual([...named].sort(), explained.sort());
});
