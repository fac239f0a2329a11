/**
 * The documentation of the command line, the config file and the environment matches the code
 * exactly.
 */
import assert from "node:assert/strict";
import { completionTree } from "../commands/completion/tree.ts";
import { COMMON_FLAGS } from "../commands/cli/define.ts";
import { findRoute, type Flag, flagWords, type FoundRoute } from "../commands/cli/help_page.ts";
import { verbs } from "../commands/mod.ts";

const root = new URL("../", import.meta.url);
const read = (path: string) => Deno.readTextFile(new URL(path, root));
const configuration = await read("docs/configuration.md");

/** Flags that every command has: told once. */
const COMMON = [
  "--json",
  "--color",
  "--quiet",
  "--verbose",
  "--socket",
  "--data-dir",
  "--config",
  "--context",
  "--wait",
  "--help",
  "--version",
  "-h",
];

/** The part of the page under a heading, up to the next one. */
function section(heading: string): string {
  const from = configuration.indexOf(`${heading}\n`);
  assert.ok(from >= 0, `docs/configuration.md has ${heading}`);
  const rest = configuration.slice(from + heading.length);
  const end = /^#/m.exec(rest)?.index ?? rest.length;
  return rest.slice(0, end);
}

/** First cells of a table's rows. */
function firstCells(markdown: string): string[] {
  return markdown.split("\n").filter((line) => /^\| `/.test(line))
    .map((line) => line.split(/(?<!\\)\|/)[1]!);
}

function flagsIn(text: string): string[] {
  const flags = [...text.matchAll(/`(--?[a-z][a-z-]*)/g)].map(([, flag]) => flag!);
  // The opposite of a flag belongs to it.
  return flags.filter((flag) => !flag.startsWith("--no-"));
}

const loaded = await Promise.all(
  [...verbs].map(async ([name, { brief, load }]) => ({
    name,
    brief,
    target: (await load()).route,
  })),
);
const nodes = completionTree(loaded);

interface Definition {
  flags?: Record<string, Flag>;
  aliases?: Record<string, string>;
}

Deno.test("docs/configuration.md has every flag of every command, and no other", () => {
  const commands = nodes.filter(({ path, routes }) => path !== "" && routes.length === 0);
  assert.ok(commands.length > 25);
  for (const { path, flags } of commands) {
    const names = flags.map(({ name }) => name).filter((name) =>
      !COMMON.includes(name) || (name === "--version" && /^schema/.test(path))
    );
    if (names.length === 0) continue;
    const told = firstCells(section(`### evs ${path}`)).flatMap(flagsIn);
    assert.deepEqual([...told].sort(), [...names].sort(), path);
  }
  const headings = [...configuration.matchAll(/^### evs (.+)$/gm)].map(([, path]) => path!);
  for (const path of headings) assert.ok(commands.some((node) => node.path === path), path);
});

Deno.test("docs/configuration.md has every key of the config schema, and no other", async () => {
  const { properties } = JSON.parse(await read("schemas/config.schema.json"));
  const keys = Object.entries(properties).flatMap(([name, property]) => {
    const inner = (property as { properties?: Record<string, unknown> }).properties;
    return inner ? Object.keys(inner).map((key) => `${name}.${key}`) : [name];
  });
  const told = firstCells(section("## Config file")).map((cell) => cell.trim().slice(1, -1));
  assert.deepEqual(told.sort(), keys.sort());
});

async function sources(folder: string): Promise<string[]> {
  const texts: string[] = [];
  for await (const { name, isDirectory } of Deno.readDir(new URL(folder, root))) {
    if (isDirectory) texts.push(...await sources(`${folder}/${name}`));
    else texts.push(await read(`${folder}/${name}`));
  }
  return texts;
}

Deno.test("docs/configuration.md has every variable that the code names, and no other", async () => {
  const code = (await Promise.all(["core", "daemon", "commands", "bin"].map(sources))).flat();
  const names = new Set<string>();
  for (const text of code) {
    for (const [name] of text.matchAll(/\b(EVS|XDG)_[A-Z_]+\b/g)) names.add(name);
    for (const [, name] of text.matchAll(/env(?:\.get)?\("([A-Z_]+)"\)/g)) names.add(name!);
  }
  names.delete("PATH");
  assert.ok(names.has("EVS_SOCKET") && names.has("EVS_ATTEMPT"), "variables were found");
  const page = section("## Environment");
  const told = new Set([...page.matchAll(/`([A-Z][A-Z_]{2,})`/g)].map(([, name]) => name!));
  told.delete("PATH");
  const known = new Set([...names, "NO_COLOR", "TERM", "HOME", "TMPDIR"]);
  for (const name of names) assert.ok(told.has(name), `${name} is in the code, not on the page`);
  for (const name of told) assert.ok(known.has(name), `${name} is on the page, not in the code`);
});

Deno.test("links between the pages lead to files that are there", async () => {
  const pages = [
    "README.md",
    "ARCHITECTURE.md",
    "CONTRIBUTING.md",
    "CHANGELOG.md",
    "docs/configuration.md",
  ];
  pages.push(
    "docs/compared.md",
    "docs/contract.md",
    "docs/errors.md",
    "docs/scaling.md",
    "docs/stores.md",
    "docs/sourcing.md",
    "examples/handlers/README.md",
    "examples/orders/README.md",
  );
  for await (const { name } of Deno.readDir(new URL("docs/adr", root))) {
    pages.push(`docs/adr/${name}`);
  }
  for (const page of pages) {
    const text = (await read(page)).replaceAll(/```[^]*?```/g, "");
    for (const [, link] of text.matchAll(/\]\(([^)#\s]+)[^)]*\)/g)) {
      if (/^https?:/.test(link!)) continue;
      const target = new URL(link!, new URL(page, root));
      await assert.doesNotReject(Deno.stat(target), `${page} links to ${link}`);
    }
  }
});

Deno.test("every ADR has a number of its own, a date, a status, and the same three sections", async () => {
  const numbers = new Set<number>();
  for await (const { name } of Deno.readDir(new URL("docs/adr", root))) {
    const number = Number(/^(\d{4})-[a-z0-9-]+\.md$/.exec(name)?.[1]);
    assert.ok(number > 0, `${name} begins with its number`);
    assert.ok(!numbers.has(number), `${name}: its number is taken`);
    numbers.add(number);
    const text = await read(`docs/adr/${name}`);
    assert.ok(text.startsWith(`# ${number}. `), `the title of ${name}`);
    assert.match(text, /^Date: \d{4}-\d\d-\d\d\. Status: /m, name);
    const headings = [...text.matchAll(/^## (.+)$/gm)].map(([, heading]) => heading);
    assert.deepEqual(headings, ["Context", "Decision", "Consequences"], name);
  }
});

Deno.test("docs/configuration.md has each flag as its help does, with the value that it takes", () => {
  const commands = nodes.filter(({ path, routes }) => path !== "" && routes.length === 0);
  for (const { path } of commands) {
    const [verb, ...below] = path.split(" ");
    const top: FoundRoute = {
      route: loaded.find(({ name }) => name === verb)!.target,
      path: [verb!],
    };
    const { route } = findRoute(top, below);
    const { flags = {}, aliases = {} } = (route as { parameters: Definition }).parameters;
    const words = Object.entries(flags)
      .filter(([name]) => !(name in COMMON_FLAGS))
      .map(([name, flag]) => flagWords(name, flag, aliases));
    if (words.length === 0) continue;
    const told = firstCells(section(`### evs ${path}`)).map((cell) =>
      cell.trim().replaceAll("`", "").replaceAll("\\|", "|").replace(" (repeatable)", "...")
    );
    assert.deepEqual(told.sort(), words.sort(), path);
  }
});

/** Pages and sources below a folder. */
function* texts(folder: URL): Generator<URL, void, undefined> {
  for (const { name, isDirectory } of Deno.readDirSync(folder)) {
    if (name.startsWith(".") || name === "dist") continue;
    if (isDirectory) yield* texts(new URL(`${name}/`, folder));
    else if (/\.(?:md|ts)$/.test(name)) yield new URL(name, folder);
  }
}

Deno.test("every task that a page or a comment names is in deno.json", async () => {
  const { tasks } = JSON.parse(await read("deno.json"));
  const named = new Set<string>();
  for (const url of texts(root)) {
    for (const [, task] of Deno.readTextFileSync(url).matchAll(/\bdeno task ([a-z:-]*[a-z])/g)) {
      named.add(task!);
    }
  }
  assert.ok(named.size > 5);
  for (const task of named) assert.ok(task in tasks, `deno task ${task}`);
});
