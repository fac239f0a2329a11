/** The blocks of docs/stores.md are programs that run: each is written down as it stands, and tested by `deno test`. */
import assert from "node:assert/strict";

const root = new URL("../", import.meta.url);

Deno.test("docs/stores.md has blocks that pass the suite that it describes", async () => {
  const page = await Deno.readTextFile(new URL("docs/stores.md", root));
  const blocks = [...page.matchAll(/```ts\n(.*?)```/gs)].map(([, block]) => block!);
  assert.equal(blocks.length, 3);
  const dir = await Deno.makeTempDir({ prefix: "evs-guide-" });
  const names = ["array_store.ts", "array_store_test.ts", "queue_test.ts"];
  for (const [i, name] of names.entries()) await Deno.writeTextFile(`${dir}/${name}`, blocks[i]!);
  const { success, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["test", "-A", "--config", new URL("deno.json", root).pathname, dir],
    env: { NO_COLOR: "1" },
  }).output();
  const decoder = new TextDecoder();
  const told = decoder.decode(stdout) + decoder.decode(stderr);
  assert.ok(success, told);
  const ran = Number(/ok \| (\d+) passed/.exec(told)?.[1]);
  assert.ok(ran >= 15, told);
  await Deno.remove(dir, { recursive: true });
});
