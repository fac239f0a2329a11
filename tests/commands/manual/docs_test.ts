/** `evs docs` finds what is asked for, prints plain text, and works from a package, too. */
import assert from "node:assert/strict";
import { EvsError } from "../../../core/base/errors.ts";
import { documentationFolder } from "../../../commands/manual/folder.ts";
import { markdownAsText } from "../../../commands/manual/plain_text.ts";
import { lookUp, readManual, wordsAfter } from "../../../commands/manual/sections.ts";
import { verbs } from "../../../commands/mod.ts";
import { palette } from "../../../commands/terminal/colour.ts";
import { width } from "../../../commands/terminal/table.ts";
import { contractRows } from "../../helpers/contract.ts";
import { evs } from "../../helpers/evs.ts";

const nowhere = { at: { socket: "/nonexistent/evs.sock", dataDir: "/nonexistent" } };
const docs = (...words: string[]) => evs(["docs", ...words], nowhere);
const sections = await readManual(documentationFolder());
const style = { paint: palette(false), columns: 80 };

function shown(words: string): string {
  const found = lookUp(sections, words.split(" "));
  assert.equal(found?.shown.length, 1, `${words}: ${JSON.stringify(found?.others)}`);
  return markdownAsText(found.shown[0]!.markdown, style);
}

Deno.test("docs lists every command and every page", async () => {
  const { code, stdout, stderr } = await docs();
  assert.deepEqual([code, stderr], [0, ""]);
  for (const [name, { brief }] of verbs) assert.match(stdout, new RegExp(`docs ${name} +${brief}`));
  for (const page of ["readme", "configuration", "contract", "errors", "shell", "operating"]) {
    assert.match(stdout, new RegExp(`^  evs docs ${page} `, "m"));
  }
  assert.match(stdout, /^ {2}evs docs readme exit codes$/m);
});

Deno.test("docs prints commands, pages, headings, promises, keys, flags and error codes", async () => {
  for (const name of verbs.keys()) assert.ok(shown(name).startsWith(`EVS ${name.toUpperCase()}\n`));
  assert.match(shown("dlq retry"), /^EVS DLQ RETRY\n[^]*--rate N\/s: At most/);
  assert.match(shown("evs dlq retry"), /^EVS DLQ RETRY\n/);
  assert.match(shown("Exit Codes"), /^EXIT CODES\n[^]*130 +Ctrl-C/);
  assert.match(shown("max_event_bytes"), /^max_event_bytes \(configuration, Config file\): /);
  assert.match(shown("key-pointer"), /^--key-pointer POINTER \(evs publish\): /);
  assert.match(shown("store/disk-full"), /^store\/disk-full \(errors, Storing\): the disk is full/);
  assert.match(shown("operating full"), /^A FULL DISK\n/);
  assert.match(shown("docs/shell.md"), /^FOR THE SHELL\n/);
  assert.match(shown("docs/cli/dlq.md"), /^EVS DLQ\n/);
  assert.match(shown("docs/adr/0031-npm-package.md"), /^31\. /);
  for (const { number, title } of await contractRows()) {
    if (number === undefined) continue;
    assert.ok(shown(`contract ${number}`).startsWith(`${number}. ${title}`), `row ${number}`);
  }
});

Deno.test("docs lists what has words that are not the name of anything", () => {
  const found = lookUp(sections, ["unix-socket"]);
  assert.deepEqual(found?.shown, []);
  assert.ok(found!.others.some(({ address }) => address === "shell curl"));
  // Every address leads to its section, and to no other.
  for (const { address, title } of sections) {
    assert.equal(lookUp(sections, address.split(" "))?.shown[0]?.title, title, address);
  }
});

Deno.test("docs prints design decisions by number, lists them, and shows them after all else", async () => {
  assert.match(shown("adr 31"), /^31\. PACKAGES HOLD A BUNDLE[^]*\nCONSEQUENCES\n/);
  assert.equal(shown("ADR 0031"), shown("adr 31"));
  const { stdout } = await docs("adr");
  for (const { name } of Deno.readDirSync(new URL("../../../docs/adr", import.meta.url))) {
    assert.match(
      stdout,
      new RegExp(`^ {2}evs docs adr ${parseInt(name)} +${parseInt(name)}\\. `, "m"),
    );
  }
  assert.match((await docs()).stdout, /^ {2}evs docs adr +Design decisions/m);
  // What a decision says, too, is found elsewhere first.
  assert.ok(lookUp(sections, ["schema"])!.shown.every(({ isDecision }) => !isDecision));
  for (const words of ["retry", "durability", "systemd", "exit codes"]) {
    const { shown, others } = lookUp(sections, words.split(" "))!;
    assert.ok(![...shown, ...others].some(({ isDecision }) => isDecision), words);
  }
  const only = lookUp(sections, ["cliffy", "yargs"])!;
  assert.ok([...only.shown, ...only.others].every(({ isDecision }) => isDecision));
});

Deno.test("docs completes the words of every address", async () => {
  assert.deepEqual(wordsAfter(sections, ["subscription", "retries"]), []);
  assert.ok(wordsAfter(sections, []).includes("adr"));
  for (const { address } of sections) {
    const words = address.split(" ");
    words.forEach((word, at) => {
      assert.ok(wordsAfter(sections, words.slice(0, at)).includes(word), address);
    });
  }
  const { code, stdout, stderr } = await evs(
    ["completions", "names", "docs", "re", "dlq"],
    nowhere,
  );
  assert.deepEqual([code, stderr], [0, ""]);
  assert.match(stdout, /^list\ngroups\ngroup\nnote\ndismiss\nresolve\nreopen\nshow\nretry\n/);
});

Deno.test("docs of an unknown word exits with 1 and names what may have been meant", async () => {
  const near = await docs("dlqq");
  assert.deepEqual([near.code, near.stdout], [1, ""]);
  assert.match(near.stderr, /nothing about "dlqq"; did you mean dlq\?\n {2}try: evs docs\n/);
  const json = await docs("zzzzzzzz", "--json");
  assert.deepEqual([json.code, JSON.parse(json.stderr).error.code], [1, "docs/not-found"]);
  for (const words of ["''", "-- --"]) assert.equal(lookUp(sections, words.split(" ")), undefined);
  assert.equal((await docs("--nosuch")).code, 2);
});

Deno.test("docs prints no escapes on a pipe, and lines that fit a screen", async () => {
  for (const section of sections.filter(({ level }) => level === 1)) {
    const text = markdownAsText(section.markdown, style);
    assert.ok(text.length > section.markdown.length / 2, section.address);
    for (const line of text.split("\n")) {
      // Code and what has no spaces stay as they are.
      const fits = width(line) <= 80 || line.startsWith("    ") || !/\S\s+\S/.test(line.trim());
      assert.ok(fits, `${section.address}: ${line}`);
    }
  }
  const { stdout } = await docs("configuration");
  // deno-lint-ignore no-control-regex -- what a pager would show as rubbish
  assert.doesNotMatch(stdout, /[\x00-\x09\x0b-\x1f\x7f]/);
  const json = await docs("exit", "codes", "--json");
  const { address, title, markdown } = JSON.parse(json.stdout.trim());
  assert.deepEqual([address, title], ["readme exit codes", "Exit codes"]);
  assert.match(markdown, /^## Exit codes\n/);
});

Deno.test("docs is found above the program, and where packages keep documentation", async () => {
  const folder = `file://${await Deno.makeTempDir({ prefix: "evs-docs-" })}/`;
  const found = (module: string) => documentationFolder(folder + module).href.slice(folder.length);
  const put = async (path: string) => {
    await Deno.mkdir(new URL(`${folder}${path}docs/cli`), { recursive: true });
    await Deno.writeTextFile(new URL(`${folder}${path}docs/cli/README.md`), "# Commands\n");
  };
  assert.throws(
    () => documentationFolder(`${folder}a/b/c/d/e/f/g/h/evs.js`),
    (error) => error instanceof EvsError && error.code === "docs/not-installed" && error.exit === 1,
  );
  await put("usr/share/env-event-stream/");
  assert.equal(found("usr/lib/evs/evs.js"), "usr/share/env-event-stream/");
  await put("npm/");
  assert.equal(found("npm/dist/evs.js"), "npm/");
  await Deno.remove(new URL(folder), { recursive: true });
});
