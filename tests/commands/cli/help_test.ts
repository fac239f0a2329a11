/**
 * Help pages: they fit a terminal, describe everything that can be typed, and an invalid command
 * line refers to them.
 */
import assert from "node:assert/strict";
import { completionTree } from "../../../commands/completion/tree.ts";
import { findRoute, helpPage } from "../../../commands/cli/help_page.ts";
import { overview } from "../../../commands/cli/help.ts";
import { verbs } from "../../../commands/mod.ts";
import { palette } from "../../../commands/terminal/colour.ts";
import { width } from "../../../commands/terminal/table.ts";
import { hanging, wrapText } from "../../../commands/terminal/wrap.ts";
import { evs } from "../../helpers/evs.ts";

const paint = palette(false);
const none = { at: { socket: "/nonexistent/evs.sock", dataDir: "/nonexistent" } };
const loaded = await Promise.all(
  [...verbs].map(async ([name, { brief, load }]) => ({
    name,
    brief,
    target: (await load()).route,
  })),
);

/** The page of each command and group, with its flags as the completions have them. */
function pages(columns: number): { path: string; page: string; flags: string[] }[] {
  return completionTree(loaded).filter(({ path }) => path !== "").map(({ path, flags, routes }) => {
    const [verb = "", ...below] = path.split(" ");
    const top = { route: loaded.find(({ name }) => name === verb)!.target, path: [verb] };
    const page = helpPage(findRoute(top, below), { paint, columns });
    return { path, page, flags: routes.length > 0 ? [] : flags.map(({ name }) => name) };
  });
}

Deno.test("every page of help fits 80 columns, but for lines that are to be copied", () => {
  for (
    const { path, page } of [...pages(80), {
      path: "",
      page: overview(verbs, { paint, version: "1" }),
    }]
  ) {
    for (const line of page.split("\n")) {
      if (!/^ {2}evs /.test(line)) assert.ok(width(line) <= 80, `evs ${path} --help: ${line}`);
    }
    const [usage] = page.split("\n\n");
    for (const line of usage!.split("\n")) {
      assert.ok(width(line) <= 80, `evs ${path} --help: ${line}`);
    }
    assert.doesNotMatch(page, /undefined|(?<!_)VALUE\b(?!\])(?!\.)/, path);
  }
});

Deno.test("every page of help names all flags and begins with how the command is typed", () => {
  for (const { path, page, flags } of pages(80)) {
    assert.match(page, new RegExp(`^USAGE\n {2}evs ${path}[ \n]`));
    for (const flag of flags) assert.ok(page.includes(flag), `evs ${path} --help has ${flag}`);
  }
});

Deno.test("help is the same however it is asked for, also behind other words", async () => {
  const page = await evs(["dlq", "retry", "--help"], none);
  assert.equal(page.code, 0);
  assert.match(page.stdout, /^USAGE\n {2}evs dlq retry \[ID\.\.\.\] .*\n {6}.*--rate N\/s\]\n\n/s);
  for (const args of [["help", "dlq", "retry"], ["dlq", "retry", "some-id", "-h"]]) {
    assert.deepEqual(await evs(args, none), page);
  }
  const group = await evs(["dlq"], none);
  assert.deepEqual([group, group.code], [await evs(["dlq", "--help"], none), 0]);
  // Behind `--` it is the command's own.
  const own = await evs(["with", "--", "printf", "%s", "--help"]);
  assert.deepEqual([own.code, own.stdout], [0, "--help"]);
});

Deno.test("a wrong command line leads to the help of the very command, and a check says UNKNOWN", async () => {
  const cases: [args: string[], hint: string, code: number][] = [
    [["dlq", "retry", "--foo"], "evs dlq retry --help", 2],
    [["schema", "register"], "evs schema register --help", 2],
    [["dlq", "rety"], "evs dlq --help", 2],
    [["tail"], "evs tail --help", 2],
    [["check", "dlq"], "evs check dlq --help", 3],
    [["check", "dsk"], "evs check --help", 3],
  ];
  for (const [args, hint, code] of cases) {
    const result = await evs(args, none);
    assert.equal(result.stderr.trimEnd().split("\n").at(-1), `  try: ${hint}`, args.join(" "));
    assert.deepEqual([result.code, result.stdout], [code, ""], args.join(" "));
  }
  const limits = await evs(["check", "dlq", "--warn", "9", "--crit", "1"], none);
  assert.equal(limits.code, 3);
});

Deno.test("wrapText breaks between words, keeps its line breaks and goes on below its column", () => {
  assert.equal(wrapText("one two three\nfour", 9), "one two\nthree\nfour");
  assert.equal(wrapText("  75   try again later", 16), "  75   try again\n       later");
  assert.equal(wrapText("unbreakable", 4), "unbreakable");
});

Deno.test("hanging keeps brackets and a flag's value together", () => {
  assert.equal(
    hanging("  evs x A [--key K | --pointer P] --warn N --crit M", { columns: 24, by: 4 }),
    "  evs x A\n    [--key K | --pointer P]\n    --warn N --crit M",
  );
});
