/**
 * Shows that the runner tells a mutant that a test kills from those that survive, are stale, do not
 * load or hang, in a tree of two files, and leaves no process and no change behind.
 */
import assert from "node:assert/strict";
import { join } from "node:path";
import { testFolder } from "../helpers/folder.ts";
import { drawn } from "./draw.ts";
import { MARK } from "./marked.ts";
import type { Mutant } from "./mutant.ts";
import { lineOf, summaryOf } from "./report.ts";
import { wronglyWritten } from "./name_check.ts";
import { type MutantResult, runMutants, type RunnerOptions } from "./runner.ts";
import { readTap } from "./test_run.ts";
import { TreeCopy } from "./tree_copy.ts";

const CODE = `
export const add = (a: number, b: number) => a + b;
export const unseen = (a: number) => a * 2;
export const wait = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));
export const twice = () => 1;
export const twice2 = () => 1;
`;
const TESTS = `
import { add, unseen, wait } from "../../code.ts";
Deno.test("add adds", () => {
  if (add(1, 2) !== 3) throw new Error("it does not");
});
Deno.test("wait waits", async () => {
  unseen(1);
  await wait(1);
});
`;
const ENV = `
Deno.test("the environment is marked", async () => {
  // Left behind on purpose: it holds the pipe of the test open.
  new Deno.Command("sleep", { args: ["1000"], stdin: "null" }).spawn().unref();
  if (!Deno.env.get("${MARK}")) throw new Error("no mark");
  const { add } = await import("../../code.ts");
  if (add(1, 2) !== 3) throw new Error("it does not");
});
`;

const mutant = (name: string, change: Partial<Mutant>): Mutant => ({
  name,
  promise: "it adds",
  file: "code.ts",
  from: "a + b",
  to: "a - b",
  tests: ["tests/core/code_test.ts"],
  ...change,
});

/** A tree of git with code and its tests. */
async function tree(): Promise<{ root: string } & AsyncDisposable> {
  const root = await testFolder("test");
  const files = {
    "deno.json": "{}",
    "code.ts": CODE,
    "tests/deno.lock": `{"version":"5"}`,
    "tests/core/code_test.ts": TESTS,
    "tests/core/env_test.ts": ENV,
    "tests/core/red_test.ts": `Deno.test("red", () => { throw new Error("always"); });`,
    ".gitignore": "ignored\n",
    "ignored": "",
  };
  for (const [path, text] of Object.entries(files)) {
    await Deno.mkdir(join(root, path, ".."), { recursive: true });
    await Deno.writeTextFile(join(root, path), text);
  }
  await new Deno.Command("git", { args: ["init", "--quiet", root] }).output();
  return { root, [Symbol.asyncDispose]: () => Deno.remove(root, { recursive: true }) };
}

async function verdicts(
  mutants: Mutant[],
  options: Partial<RunnerOptions> = {},
): Promise<MutantResult[]> {
  await using place = await tree();
  const said: string[] = [];
  const results = await runMutants({
    root: place.root,
    mutants,
    jobs: 2,
    say: ({ mutant }) => said.push(mutant.name),
    ...options,
  });
  assert.deepEqual(said.toSorted(), mutants.map(({ name }) => name).toSorted());
  assert.equal(await Deno.readTextFile(join(place.root, "code.ts")), CODE);
  return results;
}

Deno.test("runMutants kills only what a test notices, when mutants are of all kinds", async () => {
  const results = await verdicts([
    mutant("killed", {}),
    mutant("survived", { from: "a * 2", to: "a * 3" }),
    mutant("stale", { from: "a ** b" }),
    mutant("twice", { from: "=> 1", to: "=> 2" }),
    mutant("syntax", { to: "a +" }),
    mutant("link", { from: "export const add", to: "export const sum" }),
    mutant("second", { tests: ["tests/core/env_test.ts", "tests/core/code_test.ts"] }),
    mutant("red", { tests: ["tests/core/red_test.ts"] }),
    mutant("filtered", { filter: "wait" }),
    mutant("unfiltered", { filter: "nothing is called so" }),
    mutant("no such test", { tests: ["tests/core/none_test.ts"] }),
    mutant("a test of the tree", { tests: ["tests/docs_test.ts"] }),
    mutant("unchanged", { to: "a + b" }),
  ]);
  const found = Object.fromEntries(results.map(({ mutant, verdict }) => [mutant.name, verdict]));
  assert.deepEqual(found, {
    "killed": "killed",
    "survived": "survived",
    "stale": "stale",
    "twice": "stale",
    "syntax": "invalid",
    "link": "invalid",
    "second": "killed",
    "red": "invalid",
    "filtered": "survived",
    "unfiltered": "invalid",
    "no such test": "invalid",
    "a test of the tree": "invalid",
    "unchanged": "invalid",
  });
  assert.equal(results[0]!.detail, "tests/core/code_test.ts: add adds");
  assert.match(summaryOf(results), /^13 mutants: 2 killed, 2 survived, /);
  assert.match(lineOf(results[1]!), /^survived survived \(.* s\)\n {2}code.ts: it adds\n/);
});

Deno.test("runMutants kills by a test that hangs only when the mutant says so", async () => {
  const ENDLESS = { from: "setTimeout(resolve, ms)", to: "setInterval(() => {}, ms)" };
  const results = await verdicts(
    [mutant("hung", ENDLESS), mutant("hangs", { ...ENDLESS, hangs: true })],
    { patience: { factor: 10, floor: 0 } },
  );
  assert.deepEqual(results.map(({ verdict }) => verdict), ["hung", "killed"]);
});

Deno.test("runMutants ends what a test left behind when the test has ended", async () => {
  const [result] = await verdicts([mutant("left", { tests: ["tests/core/env_test.ts"] })]);
  // Its sleep would have held the pipe open for 1000 s: that this ends shows that it was ended.
  assert.equal(result!.verdict, "killed");
});

Deno.test("runMutants ends its run when it is interrupted", async () => {
  await using place = await tree();
  const interrupt = new AbortController();
  const run = runMutants({
    root: place.root,
    jobs: 1,
    mutants: [mutant("one", {}), mutant("two", {})],
    say: () => interrupt.abort(new Error("enough")),
    signal: interrupt.signal,
  });
  await assert.rejects(run, /enough/);
});

Deno.test("wronglyWritten names mutants with names that do not exist, and none with wrong types", async () => {
  await using place = await tree();
  const wrong = await wronglyWritten(place.root, [
    mutant("variable", { to: "a + other" }),
    mutant("member", { to: "a.nothing + b" }),
    mutant("right", { to: "a - b" }),
    mutant("type", { from: "a * 2", to: "String(a) * 2" }),
    mutant("two lines", { from: "setTimeout(resolve, ms)", to: "setTimeout(\n  ready, ms)" }),
    mutant("never", { from: "=> 1;\n", to: "=> {\n  const a = null; if (a) return a.b;\n};\n" }),
    mutant("stale", { from: "not there" }),
  ]);
  assert.deepEqual(wrong.toSorted(), [
    "member: Property 'nothing' does not exist on type 'number'.",
    "two lines: Cannot find name 'ready'.",
    "variable: Cannot find name 'other'.",
  ]);
  assert.equal(await Deno.readTextFile(join(place.root, "code.ts")), CODE);
});

Deno.test("TreeCopy copies what is in git and no more when there are ignored files", async () => {
  await using place = await tree();
  const target = join(place.root, "ignored-copy");
  const copy = await TreeCopy.of(place.root, target);
  const names = Array.from(Deno.readDirSync(target), ({ name }) => name).toSorted();
  assert.deepEqual(names, [".gitignore", "code.ts", "deno.json", "tests"]);
  await copy.change("code.ts", "changed");
  assert.equal(await copy.read("code.ts"), CODE);
  await assert.rejects(copy.change("deno.json", ""), /code.ts is still changed/);
  await copy.restore();
  assert.equal(await Deno.readTextFile(join(target, "code.ts")), CODE);
});

Deno.test("readTap finds the first test that failed and no step when both are there", () => {
  const text = "TAP version 14\nok 1 - a\n    not ok 1 - step\nnot ok 2 - b\nnot ok 3 - c\n1..3\n";
  assert.deepEqual(readTap(text), { passed: 1, failed: "b" });
  assert.deepEqual(readTap("TAP version 14\n1..0\n"), { passed: 0, failed: undefined });
});

Deno.test("drawn takes the same ones on one day and others on the next", () => {
  const mutants = Array.from({ length: 100 }, (_, i) => mutant(`m${i}`, {}));
  const names = (day: string, of = mutants) => drawn(of, 30, day).map(({ name }) => name);
  assert.equal(new Set(names("2026-11-30")).size, 30);
  assert.deepEqual(names("2026-11-30"), names("2026-11-30", mutants.toReversed()));
  assert.notDeepEqual(names("2026-11-30"), names("2026-12-01"));
  const all = new Set(Array.from({ length: 30 }, (_, i) => names(`2026-12-${i}`)).flat());
  assert.equal(all.size, 100);
});
