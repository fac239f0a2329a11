/** Checks the layers described in ARCHITECTURE.md against the actual imports. */
import assert from "node:assert/strict";
import { importsOf, sourceFiles, staticGraph } from "./helpers/source.ts";

/**
 * The folders of `core/` from the bottom up: each imports only from those before it. Type imports
 * count.
 */
const FLOORS = [
  "base",
  "json",
  "event",
  "tracing",
  "filter",
  "worker",
  "protocol",
  "history",
  "postgres",
  "store",
  "store/sqlite/salvage",
  "store/sqlite",
  "store/file",
  "store/postgres",
  "store/worker",
  "state",
  "state/postgres",
  "spool",
  "data_dir",
  "reading",
  "schema/validator",
  "schema/compatibility",
  "schema",
  "topic",
  "delivery",
  "dead_letter",
  "broker",
  "client/consumer",
  "client",
  "client/broker",
  "sourcing",
  "doctor/checks",
  "doctor/postgres",
  "doctor",
  "backup",
  "backup/postgres",
];

/** What each folder at the top may import among our own. */
const TOP: Record<string, readonly string[]> = {
  core: ["core", "schemas"],
  daemon: ["daemon", "core", "schemas"],
  commands: ["commands", "core", "schemas", "cli.ts"],
  testing: ["testing", "core"],
  dashboard: ["dashboard", "core", "commands/terminal/escape.ts"],
};

/** Programs and lists: they put the folders together, and nothing imports them back. */
const ROOTS = ["daemon/main.ts", "daemon/modules.ts", "commands/main.ts", "commands/mod.ts"];

const folderOf = (path: string) => path.slice(0, path.lastIndexOf("/"));
const isOurs = (imported: string) => /\.tsx?$/.test(imported) && !imported.includes(":");

for (const [folder, below] of Object.entries(TOP)) {
  Deno.test(`${folder} imports only from ${below.join(", ")} among our own folders`, async () => {
    for (const file of await sourceFiles(folder)) {
      for (const imported of (await importsOf(file)).filter(isOurs)) {
        assert.ok(
          below.some((allowed) => imported === allowed || imported.startsWith(`${allowed}/`)),
          `${file} imports ${imported}`,
        );
      }
    }
  });
}

Deno.test("every folder of core imports only from floors below its own", async () => {
  const floorOf = (path: string) => FLOORS.indexOf(folderOf(path).slice("core/".length));
  for (const file of await sourceFiles("core")) {
    const floor = floorOf(file);
    assert.ok(floor >= 0, `${file} stands in a folder that has no floor, or loose in core`);
    for (const imported of (await importsOf(file)).filter((path) => path.startsWith("core/"))) {
      assert.ok(
        floorOf(imported) <= floor,
        `${file} imports ${imported}, which stands above it`,
      );
    }
  }
});

Deno.test("no two folders import each other", async () => {
  const edges = new Map<string, string>();
  for (const file of await sourceFiles("core", "daemon", "commands", "testing", "dashboard")) {
    if (ROOTS.includes(file)) continue;
    for (const imported of (await importsOf(file)).filter(isOurs)) {
      const [from, to] = [folderOf(file), folderOf(imported)];
      if (from !== to) edges.set(`${from} -> ${to}`, `${file} imports ${imported}`);
    }
  }
  for (const [edge, example] of edges) {
    const [from, to] = edge.split(" -> ");
    const back = edges.get(`${to} -> ${from}`);
    assert.equal(back, undefined, `${example}, and ${back}`);
  }
});

Deno.test("only core/store/sqlite, core/store/worker and core/state open SQLite", async () => {
  for (const file of await sourceFiles("core", "daemon", "commands")) {
    if ((await importsOf(file)).includes("node:sqlite")) {
      assert.match(file, /^core\/(store\/(sqlite|worker)|state)\//);
    }
  }
});

Deno.test("only core/postgres/driver.ts imports the driver of PostgreSQL, and only to connect", async () => {
  for (const file of await sourceFiles("core", "daemon", "commands", "testing")) {
    const isDriver = file === "core/postgres/driver.ts";
    assert.equal((await importsOf(file)).includes("pg"), isDriver, file);
  }
  const isOfPostgres = (path: string) => /\/core\/(store\/)?postgres\//.test(path);
  for (const root of ["mod.ts", "cli.ts", "daemon/modules.ts"]) {
    const { ours, others } = await staticGraph(root);
    assert.ok(!others.some((specifier) => /^npm:\/?pg@/.test(specifier)), `${root} loads it`);
    // Today's daemon and commands have nothing to do with it.
    assert.equal(ours.some(isOfPostgres), root === "mod.ts", root);
  }
});

Deno.test("core/client and core/protocol load nothing from npm and no node: module", async () => {
  for (const file of await sourceFiles("core/client", "core/protocol")) {
    for (const imported of await importsOf(file)) {
      assert.ok(imported.endsWith(".ts"), `${file} imports ${imported}`);
    }
  }
});

Deno.test("the static graph of cli.ts holds only stricli from npm and no node: module", async () => {
  const { ours, others } = await staticGraph("cli.ts");
  assert.ok(ours.length > 3, "the graph was read");
  for (const specifier of others) {
    assert.match(specifier, /^npm:\/?@stricli\/core@/, `cli.ts loads ${specifier} at every start`);
  }
});

/** The folders with code, that of packages and the site included. */
const CODE = ["core", "daemon", "commands", "packaging", "testing", "dashboard"];

Deno.test("every source file stays under 500 lines", async () => {
  for (const file of await sourceFiles(...CODE, "examples", "tests")) {
    const text = await Deno.readTextFile(new URL(`../${file}`, import.meta.url));
    const lines = text.split("\n").length - 1;
    assert.ok(lines <= 500, `${file} has ${lines} lines: one idea, or several?`);
  }
});

Deno.test("every module begins with what it is", async () => {
  for (const file of await sourceFiles(...CODE, "examples", "tests")) {
    const source = await Deno.readTextFile(new URL(`../${file}`, import.meta.url));
    assert.match(source, /^\/\*\*/, `${file} has no header comment`);
  }
});

/** Exported by every verb's file: the folder says which. */
const ONE_PER_FILE = ["route"];

Deno.test("no exported name has two meanings", async () => {
  // The page in the browser is another program: its parts are named for what is seen.
  const page = await assertOneMeaning(["dashboard"]);
  const program = await assertOneMeaning(CODE.filter((folder) => folder !== "dashboard"));
  assert.ok(page > 100 && program > 500, "the sources were read");
});

/** The number of exported names in the folders, each of which is declared once. */
async function assertOneMeaning(folders: readonly string[]): Promise<number> {
  const declared = new Map<string, string>();
  for (const file of await sourceFiles(...folders)) {
    const source = await Deno.readTextFile(new URL(`../${file}`, import.meta.url));
    for (const name of declaredNames(source)) {
      if (ONE_PER_FILE.includes(name)) continue;
      const other = declared.get(name);
      assert.ok(other === undefined, `${file} and ${other} both export ${name}`);
      declared.set(name, file);
    }
  }
  return declared.size;
}

/**
 * What a module declares and exports; an interface of the same name as a class beside it is one
 * thing.
 */
function declaredNames(source: string): Set<string> {
  const declaration =
    /^export (?:abstract |async |default )*(?:function\*?|class|interface|type|const|let|enum) (\w+)/gm;
  return new Set(Array.from(source.matchAll(declaration), ([, name]) => name!));
}

Deno.test("every file is named for what it does, not for what it was cut from", async () => {
  for (const file of await sourceFiles(...CODE, "tests")) {
    assert.doesNotMatch(file, /_parts\.ts$/);
  }
});
