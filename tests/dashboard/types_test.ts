/**
 * The dashboard's sources are sound. They are checked by themselves: they run in a browser, whose
 * globals nothing else may use.
 */
import assert from "node:assert/strict";
import { sourceFiles } from "../helpers/source.ts";

const root = new URL("../..", import.meta.url).pathname;

Deno.test("the dashboard's sources pass the type check", async () => {
  const { success, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["check", "--quiet", "--lock=tests/deno.lock", "--frozen", "dashboard/main.tsx"],
    cwd: root,
    env: { NO_COLOR: "1" },
  }).output();
  assert.ok(success, new TextDecoder().decode(stderr));
});

Deno.test("nothing in the dashboard makes HTML of text, or style of text", async () => {
  const files = await sourceFiles("dashboard");
  assert.ok(files.length > 60, "the sources were read");
  for (const file of files) {
    const source = await Deno.readTextFile(`${root}/${file}`);
    assert.doesNotMatch(
      source,
      /innerHTML|outerHTML|insertAdjacent|document\.write|dangerously|\beval\b|style="|setAttribute/i,
      file,
    );
  }
});

Deno.test("everything in the dashboard's view is pure: it touches no browser, no clock, no chance", async () => {
  for (const file of await sourceFiles("dashboard/view")) {
    const source = await Deno.readTextFile(`${root}/${file}`);
    assert.doesNotMatch(
      source,
      /\b(document|window|location|fetch|localStorage|Math\.random|Date\.now)\b[.(]/,
      file,
    );
    assert.doesNotMatch(source, /packages\/(preact|uplot)/, file);
  }
});
