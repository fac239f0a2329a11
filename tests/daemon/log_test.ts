/**
 * The daemon's log: a log that cannot be rotated is still written, and says so; no fact of an entry
 * hides its text.
 */
import assert from "node:assert/strict";
import { logLine, RotatingFile } from "../../daemon/log.ts";
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

Deno.test("logLine keeps the text, the level and the time where a fact has such a name", () => {
  const line = logLine({
    category: ["evs"],
    level: "warning",
    timestamp: 0,
    message: ["refused: ", 2, " for t"],
    rawMessage: "refused: {count} for t",
    properties: { count: 2, message: "mine", level: 7, time: "noon" },
  });
  assert.deepEqual(JSON.parse(line), {
    time: "1970-01-01T00:00:00.000Z",
    level: "warning",
    message: "refused: 2 for t",
    count: 2,
    message_: "mine",
    level_: 7,
    time_: "noon",
  });
});
