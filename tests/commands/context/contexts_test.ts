/** The file of named contexts, and which of them is used. */
import assert from "node:assert/strict";
import fc from "../../packages/fast_check.ts";
import { changeContexts } from "../../../commands/context/change.ts";
import {
  chosenContext,
  isContextName,
  parseContexts,
  readContexts,
} from "../../../commands/context/contexts.ts";
import { InvalidArgumentError } from "../../../core/base/errors.ts";
import { contextsFile } from "../../../core/protocol/paths.ts";
import { testFolder } from "../../helpers/folder.ts";

const name = fc.stringMatching(/^[A-Za-z0-9._-]{1,64}$/);
const path = fc.string().map((text) => `/${text}`);
const places = fc.record({ socket: path, dataDir: path, config: path }, {
  requiredKeys: ["socket"],
  noNullPrototype: true,
});

async function inHome(work: (env: (name: string) => string | undefined) => void): Promise<void> {
  const home = await testFolder("test");
  try {
    work((variable) => ({ HOME: home }[variable]));
  } finally {
    await Deno.remove(home, { recursive: true });
  }
}

Deno.test("changeContexts writes what readContexts reads, for any names and paths", async () => {
  await inHome((env) => {
    const file = contextsFile(env)!;
    fc.assert(
      fc.property(fc.array(fc.tuple(name, places), { minLength: 1 }), (given) => {
        const wanted = new Map(given);
        const current = given[0]![0];
        changeContexts(env, (all) => {
          all.places.clear();
          for (const [one, its] of wanted) all.places.set(one, its);
          all.current = current;
        });
        const read = readContexts(file);
        assert.equal(read.current, current);
        // JSON has names that are whole numbers first.
        assert.deepEqual(new Map(read.places), wanted);
        assert.equal((Deno.lstatSync(file).mode ?? 0) & 0o777, 0o600);
      }),
      { numRuns: 30 },
    );
  });
});

Deno.test("changeContexts leaves the file as it was when the change throws, and a link a link", async () => {
  await inHome((env) => {
    const file = contextsFile(env)!;
    const set = (one: string) =>
      changeContexts(env, (all) => void all.places.set(one, { socket: "/s" }));
    set("a");
    const kept = `${file}.kept`;
    Deno.renameSync(file, kept);
    Deno.symlinkSync(kept, file);
    assert.throws(() =>
      changeContexts(env, () => {
        throw new Error("no");
      }), /no/);
    set("b");
    assert.ok(Deno.lstatSync(file).isSymlink);
    assert.deepEqual([...readContexts(kept).places.keys()], ["a", "b"]);
  });
});

Deno.test("changeContexts writes the file that a link names and that is not there yet, and refuses links that lead nowhere", async () => {
  await inHome((env) => {
    const file = contextsFile(env)!;
    const set = () => changeContexts(env, (all) => void all.places.set("a", { socket: "/s" }));
    set();
    const settings = `${env("HOME")}/settings`;
    Deno.mkdirSync(settings);
    Deno.removeSync(file);
    // As from a repository of settings: relative, and by way of another link.
    Deno.symlinkSync("../../settings/first.json", file);
    Deno.symlinkSync("second.json", `${settings}/first.json`);
    set();
    assert.ok(Deno.lstatSync(file).isSymlink);
    assert.ok(Deno.lstatSync(`${settings}/second.json`).isFile);
    assert.deepEqual([...readContexts(file).places.keys()], ["a"]);

    const leadsNowhere = (target: string) => {
      Deno.removeSync(file);
      Deno.symlinkSync(target, file);
      assert.throws(set, (error) => {
        assert.ok(error instanceof InvalidArgumentError, String(error));
        assert.equal(error.code, "context/invalid-file");
        assert.match(error.message, /is a link that leads nowhere/);
        assert.match(error.hint ?? "", /contexts\.json/);
        return true;
      });
      assert.ok(Deno.lstatSync(file).isSymlink, "it is left as it is");
    };
    leadsNowhere("/nowhere/at/all.json");
    assert.equal(readContexts(file).places.size, 0);
    leadsNowhere("contexts.json");
    assert.throws(() => readContexts(file), { code: "context/invalid-file" });
  });
});

Deno.test("readContexts finds nothing where no file can be, and refuses what is no file of contexts", async () => {
  for (const file of [undefined, "/nowhere/contexts.json", "/dev/null/evs/contexts.json"]) {
    assert.equal(readContexts(file).places.size, 0, `${file}`);
  }
  await inHome((env) => {
    assert.throws(() => readContexts(env("HOME")!), { code: "context/invalid-file" });
  });
});

Deno.test("parseContexts names the file and the fault of what it cannot use", () => {
  const faults: [text: string, reason: RegExp][] = [
    ["", /it is not JSON/],
    ["[]", /no object "contexts"/],
    ['{"contexts":[]}', /no object "contexts"/],
    ['{"contexts":{"a b":{"socket":"/s"}}}', /"a b" is no name/],
    ['{"contexts":{"a":{}}}', /a has other members/],
    ['{"contexts":{"a":{"socket":"s"}}}', /a has other members than absolute paths/],
    ['{"contexts":{"a":{"token":"/s"}}}', /a has other members/],
    ['{"current":"b","contexts":{"a":{"socket":"/s"}}}', /"current" names no context: "b"/],
    ['{"current":1,"contexts":{}}', /"current" names no context: 1/],
  ];
  for (const [text, reason] of faults) {
    assert.throws(() => parseContexts(text, "/the/file"), (error) => {
      assert.ok(error instanceof InvalidArgumentError, text);
      assert.equal(error.code, "context/invalid-file");
      assert.match(error.message, /^the contexts in \/the\/file cannot be used: /);
      assert.match(error.message, reason);
      return true;
    });
  }
});

Deno.test("parseContexts throws nothing but its own error, whatever the text is", () => {
  fc.assert(
    fc.property(fc.oneof(fc.string(), fc.json()), (text) => {
      try {
        parseContexts(text, "/f");
      } catch (error) {
        assert.ok(error instanceof InvalidArgumentError, String(error));
      }
    }),
  );
});

Deno.test("chosenContext takes the flag, then gives way to places, then the variable, then the current", () => {
  const chosen = (given?: string, env: Record<string, string> = {}, current?: string) =>
    chosenContext({ given, env: (name) => env[name], current });
  const all = { EVS_SOCKET: "/s", EVS_DATA_DIR: "/d", EVS_CONTEXT: "v" };
  assert.deepEqual(chosen("f", all, "c"), { name: "f", by: "--context" });
  assert.equal(chosen(undefined, all, "c"), undefined);
  assert.equal(chosen(undefined, { EVS_DATA_DIR: "/d" }, "c"), undefined);
  const config = { EVS_CONTEXT: "v", EVS_CONFIG: "/c", EVS_SOCKET: "" };
  assert.deepEqual(chosen(undefined, config, "c"), { name: "v", by: "EVS_CONTEXT" });
  assert.deepEqual(chosen(undefined, { EVS_CONTEXT: "" }, "c")?.by, "evs context use");
  assert.equal(chosen(), undefined);
});

Deno.test("isContextName takes what is plain in a shell and in a file", () => {
  for (const good of ["a", "staging-2", "x.y_z", "__proto__"]) assert.ok(isContextName(good));
  for (const bad of ["", "a b", "a/b", "ä", "x".repeat(65), "a\n"]) assert.ok(!isContextName(bad));
});
