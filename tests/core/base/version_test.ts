/**
 * The version is a semantic version that the changelog describes. tests/commands/cli_test.ts checks
 * that deno.json has the same.
 */
import assert from "node:assert/strict";
import { VERSION } from "../../../core/base/version.ts";

const root = new URL("../../../", import.meta.url);

Deno.test("VERSION is a semantic version", () => {
  const part = "(0|[1-9]\\d*)";
  assert.match(VERSION, new RegExp(`^${part}\\.${part}\\.${part}(-[0-9A-Za-z.-]+)?$`));
});

Deno.test("VERSION has a heading in CHANGELOG.md", async () => {
  const changelog = await Deno.readTextFile(new URL("CHANGELOG.md", root));
  const headings = changelog.split("\n").filter((line) => line.startsWith("## "));
  assert.ok(headings.some((line) => line.includes(VERSION)), headings.join("; "));
});
