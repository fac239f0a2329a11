/**
 * Programs of workers that are held in memory: they run as they were read, whatever becomes of
 * their files, and nothing of the daemon's own is left out.
 */
import assert from "node:assert/strict";
import { HeldPrograms } from "../../../core/worker/held_program.ts";
import { WorkerClient } from "../../../core/worker/client.ts";
import { SCRIPTS } from "../../../daemon/threads.ts";
import { staticGraph } from "../../helpers/source.ts";

const root = new URL("../../../", import.meta.url).href;

/** A program that answers with what its modules export. */
const PROGRAM = {
  "main.ts": `import type { Greeting } from "./types.ts";
import { name, type Name } from "./names.ts";
import "./side.js";
export const unused = new URL("./not-a-module.ts", "file:///");
const greeting: Greeting = \`hello \${name satisfies Name}\`;
self.onmessage = () => self.postMessage([greeting, (self as unknown as { side: string }).side]);
`,
  "types.ts": "export type Greeting = string;\n",
  "names.ts": `export {
  name,
  type Name,
} from "./deep/name.ts";
`,
  "deep/name.ts": `import { last } from "../last.ts";
export type Name = string;
export const name = "held" + last;
`,
  "last.ts":
    "/** As in `import { last }`\n * from \"./no-module.ts\" */\nexport const last: string = '!';\n",
  "side.js": 'self.side = "effect";\n',
};

async function reply(program: URL): Promise<unknown> {
  const worker = new Worker(program, { type: "module" });
  try {
    return await new Promise((resolve, reject) => {
      worker.onmessage = ({ data }) => resolve(data);
      worker.onerror = (event) => {
        event.preventDefault();
        reject(new Error(event.message));
      };
      worker.postMessage("");
    });
  } finally {
    worker.terminate();
  }
}

Deno.test("HeldPrograms runs a program as it was read when its files are replaced or gone", async () => {
  const folder = await Deno.makeTempDir();
  await Deno.mkdir(`${folder}/deep`);
  for (const [name, text] of Object.entries(PROGRAM)) {
    await Deno.writeTextFile(`${folder}/${name}`, text);
  }
  const main = new URL(`file://${folder}/main.ts`);
  const held = new HeldPrograms();
  held.hold(main);
  await Deno.writeTextFile(`${folder}/last.ts`, "export const last: string = '?';\n");
  assert.deepEqual(await reply(await held.urlOf(main)), ["hello held!", "effect"]);
  await Deno.remove(folder, { recursive: true });
  assert.deepEqual(await reply(await held.urlOf(main)), ["hello held!", "effect"]);
  assert.equal((await held.urlOf(main)).href, (await held.urlOf(main)).href);
});

Deno.test("HeldPrograms refuses a program that is not held, and modules in a circle", async () => {
  const text: Record<string, string> = {
    "/a.ts": 'import { b } from "./b.ts";\n',
    "/b.ts": 'import { a } from "./a.ts";\n',
  };
  const read = ({ pathname }: URL) => new TextEncoder().encode(text[pathname]);
  const held = new HeldPrograms({ read });
  assert.throws(() => held.hold(new URL("file:///a.ts")), /file:\/\/\/a\.ts imports itself/);
  await assert.rejects(held.urlOf(new URL("file:///c.ts")), /c\.ts is not held/);
});

for (const [name, script] of Object.entries(SCRIPTS)) {
  Deno.test(`HeldPrograms holds every module of the daemon's ${name} thread, which starts from them`, async () => {
    const read = new Set<string>();
    const held = new HeldPrograms({
      read: (module) => {
        read.add(module.href);
        return Deno.readFileSync(module);
      },
    });
    held.hold(script);
    const { ours, others } = await staticGraph(script.href.slice(root.length));
    assert.deepEqual([...read].sort(), ours.sort());
    assert.deepEqual(others.filter((one) => !one.startsWith("node:")), []);
    const worker = new WorkerClient(await held.urlOf(script));
    await assert.rejects(worker.call({ op: "close" }), /before it was opened/);
    worker.terminate();
  });
}
