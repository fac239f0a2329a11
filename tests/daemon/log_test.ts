/** The daemon's log: a log that cannot be rotated is still written, and says so. */
import assert from "node:assert/strict";
import { RotatingFile } from "../../daemon/log.ts";
import { inFolder } from "../helpers/start.ts";

const encoder = new TextEncoder();

Deno.test("RotatingFile keeps every line and loses no old file when no new one can be made", async () => {
  await inFolder((folder) => {
    const path = `${folder}/daemon.log`;
    const log = new RotatingFile(path, { maxBytes: 10 });
    log.write(encoder.encode("one 1234\n"));
    log.write(encoder.encode("two 1234\n"));
    assert.equal(Deno.readTextFileSync(`${path}.1`), "one 1234\n");
    Deno.mkdirSync(`${path}.new`); // no file can be made there
    for (const line of ["three 12\n", "four 123\n"]) {
      assert.throws(() => log.write(encoder.encode(line)), "it is told");
    }
    assert.equal(Deno.readTextFileSync(path), "two 1234\nthree 12\nfour 123\n");
    assert.equal(Deno.readTextFileSync(`${path}.1`), "one 1234\n", "nothing old was pushed out");
    Deno.removeSync(`${path}.new`);
    log.write(encoder.encode("five 123\n"));
    log.close();
    assert.equal(Deno.readTextFileSync(path), "five 123\n");
    assert.equal(Deno.readTextFileSync(`${path}.1`), "two 1234\nthree 12\nfour 123\n");
    assert.equal(Deno.readTextFileSync(`${path}.2`), "one 1234\n");
    assert.deepEqual(Deno.statSync(path).mode! & 0o777, 0o600);
    return Promise.resolve();
  });
});
