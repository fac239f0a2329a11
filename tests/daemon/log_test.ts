/**
 * The daemon's log: a log that cannot be rotated is still written, and says so; lines below its level
 * are left out, facts stand in its texts, and none hides them.
 */
import assert from "node:assert/strict";
import { loggerTo, logLine, RotatingFile } from "../../daemon/log.ts";
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
    level: "warning",
    timestamp: 0,
    text: "refused: {count} for t",
    facts: { count: 2, message: "mine", level: 7, time: "noon" },
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

Deno.test("logLine puts facts into the text, and tells errors and large numbers", () => {
  const error = new TypeError("no such thing");
  const text = "{what}: {error.message}, {list} and {many}; {none} {}";
  const facts = { what: "refused {count}", error, list: [1, "a"], many: 2n ** 64n };
  const line = JSON.parse(logLine({ level: "info", timestamp: 0, text, facts }));
  const many = "18446744073709551616";
  assert.equal(line.message, `refused {count}: no such thing, [1,"a"] and "${many}"; undefined {}`);
  assert.deepEqual([line.many, line.error.message], [many, "no such thing"]);
  assert.match(line.error.stack, /^TypeError: no such thing\n/);
});

Deno.test("logLine tells errors and large numbers wherever they are in a fact", () => {
  const error = new Error("outer", { cause: new TypeError("inner") });
  const facts = { all: [{ error, at: 2n ** 64n }] };
  const line = JSON.parse(logLine({ level: "info", timestamp: 0, text: "{all.0.at}", facts }));
  assert.equal(line.message, '"18446744073709551616"');
  assert.equal(line.all[0].at, "18446744073709551616");
  assert.equal(line.all[0].error.message, "outer");
  assert.match(line.all[0].error.cause.stack, /^TypeError: inner\n/);
});

/** A logger whose lines fail while `fails`, and what was written. */
function logging(lowest: "debug" | "warning") {
  const texts: string[] = [];
  const lines: string[] = [];
  const state = { fails: false };
  const write = (bytes: Uint8Array) => {
    if (state.fails) throw new Error("no room");
    const line = JSON.parse(new TextDecoder().decode(bytes));
    texts.push(line.message);
    if (line.line !== undefined) lines.push(line.line);
  };
  return { texts, lines, state, logger: loggerTo(write, { lowest, clock: { now: () => 0 } }) };
}

Deno.test("loggerTo leaves out what is below its level", () => {
  const { texts, logger } = logging("warning");
  for (const level of ["debug", "info", "warning", "error"] as const) logger[level](level);
  assert.deepEqual(texts, ["warning", "error"]);
});

Deno.test("loggerTo goes on where a line cannot be written, and says so once", () => {
  const { texts, lines, state, logger } = logging("debug");
  const circular: Record<string, unknown> = {};
  circular["self"] = circular;
  logger.info("a line", { circular });
  assert.deepEqual(texts.splice(0), ["the log cannot be written as it should be"]);
  assert.deepEqual(lines, ["a line"], "which line that was");
  state.fails = true;
  for (let n = 0; n < 3; n++) logger.info("lost");
  state.fails = false;
  logger.info("again");
  assert.deepEqual(texts, ["again"]);
});
