/** What is published can be read: every public symbol has its words and its type. */
import assert from "node:assert/strict";

const root = new URL("../", import.meta.url);

async function deno(...args: string[]): Promise<{ success: boolean; told: string }> {
  const { success, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args,
    cwd: root,
    env: { NO_COLOR: "1" },
  }).output();
  const decoder = new TextDecoder();
  return { success, told: decoder.decode(stdout) + decoder.decode(stderr) };
}

Deno.test("mod.ts and testing.ts have a docstring and a public type for everything", async () => {
  const { success, told } = await deno("doc", "--lint", "mod.ts", "testing.ts");
  assert.ok(success, told.slice(0, 4000));
});

Deno.test("deno publish --dry-run finds no slow types", async () => {
  // What is not committed yet is no fault of the package.
  const { success, told } = await deno("publish", "--dry-run", "--allow-dirty", "--no-check");
  assert.ok(success, told.slice(-4000));
  assert.match(told, /Dry run complete/);
});
