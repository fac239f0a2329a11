/** What is not there is undefined; what cannot be looked at is an error. */
import assert from "node:assert/strict";
import { exists, ifThere, lstat } from "../../../core/base/if_there.ts";
import { testFolder } from "../../helpers/folder.ts";

Deno.test("ifThere gives what is there, and undefined when nothing is", async () => {
  const folder = await testFolder("test");
  const path = `${folder}/file`;
  assert.deepEqual([ifThere(() => Deno.readTextFileSync(path)), exists(path)], [undefined, false]);
  assert.equal(ifThere(() => Deno.removeSync(path)), undefined);
  Deno.writeTextFileSync(path, "text");
  assert.deepEqual([ifThere(() => Deno.readTextFileSync(path)), exists(path)], ["text", true]);
  Deno.symlinkSync(`${folder}/nowhere`, `${folder}/link`);
  assert.deepEqual([exists(`${folder}/link`), lstat(`${folder}/link`)?.isSymlink], [true, true]);
  // A file where a folder should be: no answer, and so no "it is not there".
  assert.throws(() => lstat(`${path}/below`), Deno.errors.NotADirectory);
  await Deno.remove(folder, { recursive: true });
});
