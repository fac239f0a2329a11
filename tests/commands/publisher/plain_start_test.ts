/** What the code of a plain publish does while it loads: nothing that a process pays for dearly. */
import assert from "node:assert/strict";
import { project } from "../../helpers/shell.ts";
import { staticGraph } from "../../helpers/source.ts";

/** Prints what was made until it had loaded, and then, as a control, with one of each kind. */
const COUNT = `
const made = [];
const noted = (kind) => {
  const note = () => made.push(kind);
  globalThis[kind] = new Proxy(globalThis[kind], {
    construct: (target, given, newTarget) => (note(), Reflect.construct(target, given, newTarget)),
    get: (target, name) => (name === "parse" && note(), target[name]),
  });
};
noted("URL");
noted("Error");
await import(Deno.args[0]);
console.log(JSON.stringify(made));
new URL("a", "file:///");
new Error();
console.log(JSON.stringify(made));
`;

Deno.test("the code of a plain publish makes no URL and no error while it loads", async () => {
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", "--quiet", "--no-lock", "-A", `--config=${project}/deno.json`, "--ext=js", "-"]
      .concat(`file://${project}/commands/publisher/plain.ts`),
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const input = child.stdin.getWriter();
  await input.write(new TextEncoder().encode(COUNT));
  await input.close();
  const { stdout, stderr } = await child.output();
  assert.equal(
    new TextDecoder().decode(stdout),
    '[]\n["URL","Error"]\n',
    new TextDecoder().decode(stderr),
  );
});

Deno.test("deno.json maps one name to our files, and Deno looks around no other at a start", async () => {
  const { imports } = JSON.parse(await Deno.readTextFile(`${project}/deno.json`)) as {
    imports: Record<string, string>;
  };
  const ours = Object.entries(imports).filter(([, target]) => !target.startsWith("npm:"));
  assert.deepEqual(ours, [["https://deno.land/x/env_event_stream/", "./"]]);
});

Deno.test("cli.ts imports every module of a plain publish by itself, so Deno decodes one source map", async () => {
  const source = await Deno.readTextFile(`${project}/cli.ts`);
  const named = [...source.matchAll(/^import .*"\.\/(.+)";$/gm)].map(([, path]) => path!);
  const root = `file://${project}/`;
  const { ours } = await staticGraph("cli.ts");
  const loaded = ours.map((specifier) => specifier.slice(root.length))
    .filter((path) => path !== "cli.ts");
  assert.deepEqual(named.toSorted(), loaded.toSorted());
});

Deno.test("core/protocol/protocol.ts has only types, so no program loads it", async () => {
  const source = await Deno.readTextFile(`${project}/core/protocol/protocol.ts`);
  const exported = [...source.matchAll(/^export (\w+) /gm)].map(([, kind]) => kind);
  assert.deepEqual([...new Set(exported)].toSorted(), ["interface", "type"]);
});
