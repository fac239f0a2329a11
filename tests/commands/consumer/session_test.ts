/** Starting a handler in its own session. */
import assert from "node:assert/strict";
import { inOwnSession } from "../../../commands/consumer/session.ts";

Deno.test("inOwnSession goes through setsid when the program is there, and leaves it alone when not", async () => {
  const folder = await Deno.makeTempDir();
  try {
    await Deno.writeTextFile(`${folder}/runs`, "#!/bin/sh\n", { mode: 0o755 });
    await Deno.writeTextFile(`${folder}/lies`, "", { mode: 0o644 });
    await Deno.mkdir(`${folder}/folder`);
    const start = (...command: string[]) =>
      inOwnSession(command, { path: `/nowhere:${folder}`, setsid: "/x/setsid" });
    const own = { program: "/x/setsid", detached: false };
    assert.deepEqual(start("runs", "-a"), { ...own, args: ["--", "runs", "-a"] });
    assert.deepEqual(start(`${folder}/runs`), { ...own, args: ["--", `${folder}/runs`] });
    for (const program of ["lies", "folder", "none", "", `${folder}/lies`, `${folder}/none`]) {
      assert.deepEqual(start(program, "b"), { program, args: ["b"], detached: true });
    }
    assert.deepEqual(inOwnSession(["runs"], { path: folder, setsid: undefined }), {
      program: "runs",
      args: [],
      detached: true,
    });
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
