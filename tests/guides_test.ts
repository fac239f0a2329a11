/**
 * The guides for applications are programs: their code blocks are extracted, type-checked strictly,
 * and run.
 */
import assert from "node:assert/strict";

const root = new URL("../", import.meta.url);

async function blocks(page: string): Promise<string[]> {
  const text = await Deno.readTextFile(new URL(page, root));
  return [...text.matchAll(/```ts\n(.*?)```/gs)].map(([, block]) => block!);
}

async function deno(...args: string[]): Promise<string> {
  const { success, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args,
    env: { NO_COLOR: "1" },
  }).output();
  const decoder = new TextDecoder();
  const told = decoder.decode(stdout) + decoder.decode(stderr);
  assert.ok(success, told);
  return told;
}

const config = ["--config", new URL("deno.json", root).pathname];

Deno.test("docs/stores.md has blocks that pass the suite that it describes", async () => {
  const programs = await blocks("docs/stores.md");
  assert.equal(programs.length, 3);
  const dir = await Deno.makeTempDir({ prefix: "evs-guide-" });
  const names = ["array_store.ts", "array_store_test.ts", "queue_test.ts"];
  for (const [i, name] of names.entries()) await Deno.writeTextFile(`${dir}/${name}`, programs[i]!);
  const told = await deno("test", "-A", ...config, dir);
  assert.ok(Number(/ok \| (\d+) passed/.exec(told)?.[1]) >= 15, told);
  await Deno.remove(dir, { recursive: true });
});

Deno.test("docs/sourcing.md is one program, whose comments tell the truth", async () => {
  const parts = await blocks("docs/sourcing.md");
  // "expression; // value" is a claim.
  let claims = 0;
  const program = parts.join("\n").replaceAll(
    /^([\w(].*); \/\/ (.+)$/gm,
    (_, expression, value) => {
      claims++;
      const expected = /^[\d{]/.test(value) ? value : JSON.stringify(value);
      return `assert.deepEqual(${expression}, ${expected});`;
    },
  );
  assert.equal(claims, 5);
  const file = await Deno.makeTempFile({ prefix: "evs-guide-", suffix: ".ts" });
  await Deno.writeTextFile(file, `import assert from "node:assert/strict";\n${program}`);
  await deno("run", "-A", "--check", ...config, file);
  await Deno.remove(file);
});
