/** Temporary folders of tests are removed. */
import assert from "node:assert/strict";
import { removeLeftBehind, testFolder } from "./folder.ts";

Deno.test("removeLeftBehind removes the folders of tests that were killed, and no others", async () => {
  const own = await testFolder("test");
  const TMPDIR = `${own}/tmp`;
  await Deno.mkdir(`${TMPDIR}/evs-other-1-x`, { recursive: true });
  await Deno.mkdir(`${TMPDIR}/evs-test-${Deno.pid}-x`);
  const program = `import { testFolder } from ${JSON.stringify(import.meta.resolve("./folder.ts"))};
    const folder = await testFolder("start");
    await Deno.writeTextFile(folder + "/file", "");
    console.log(folder);
    setInterval(() => {}, 1000);`;
  const child = new Deno.Command(Deno.execPath(), {
    args: ["eval", program],
    env: { TMPDIR, NO_COLOR: "1" },
    stdout: "piped",
  }).spawn();
  const reader = child.stdout.getReader();
  const { value } = await reader.read();
  const left = new TextDecoder().decode(value).trim();
  const names = () => [...Deno.readDirSync(TMPDIR)].map(({ name }) => name).sort();
  const others = ["evs-other-1-x", `evs-test-${Deno.pid}-x`].sort();

  await removeLeftBehind(TMPDIR);
  assert.ok(Deno.statSync(`${left}/file`).isFile, "its process lives");
  child.kill("SIGKILL");
  await child.status;
  await reader.cancel();
  assert.equal(names().length, 3);
  await removeLeftBehind(TMPDIR);
  assert.deepEqual(names(), others);
  await Deno.remove(own, { recursive: true });
});
