/** A line of the daemon's log, formatted for people. */
import assert from "node:assert/strict";
import { formatEntry } from "../../../commands/daemon/log_entry.ts";
import { palette } from "../../../commands/terminal/colour.ts";
import { formatTime } from "../../../commands/terminal/table.ts";

const TIME = "2026-11-28T03:04:05.678Z";
const LOCAL = formatTime(Date.parse(TIME));
const plain = palette(false);

const entry = (fields: Record<string, unknown>) => JSON.stringify({ time: TIME, ...fields });

Deno.test("formatEntry shows time, level, message and fields of an entry", () => {
  const cases: [Record<string, unknown>, string][] = [
    [{ level: "info", message: "topic created", topic: "t" }, "info    topic created topic=t"],
    [
      { level: "warning", message: "paused", reason: "cannot run", n: 3, on: true, list: [1] },
      'warning paused reason="cannot run" n=3 on=true list=[1]',
    ],
    [{ level: "debug", message: "m", empty: "", odd: "a=b" }, 'debug   m empty="" odd="a=b"'],
  ];
  for (const [fields, shown] of cases) {
    assert.equal(formatEntry(entry(fields), plain), `${LOCAL} ${shown}`);
  }
});

Deno.test("formatEntry shows the stack of an error below it, and its cause", () => {
  const cause = {
    message: "disk I/O error",
    stack: "Error: disk I/O error\n    at write (b.ts:2:2)",
  };
  const error = {
    code: "store/failed",
    message: "it failed",
    stack: "E: it failed\n    at a.ts:1:1",
    cause,
  };
  assert.equal(
    formatEntry(entry({ level: "error", message: "unexpected", error }), plain),
    `${LOCAL} error   unexpected error="it failed" code=store/failed cause="disk I/O error"
    at a.ts:1:1
    at write (b.ts:2:2)`,
  );
});

Deno.test("formatEntry paints the level, and shows what is no entry as it is", () => {
  const painted = formatEntry(entry({ level: "error", message: "m" }), palette(true));
  assert.ok(painted.includes("\x1b[31merror"), painted);
  for (const line of ["no JSON", "[1]", "null", "{}", '{"time":"x","level":1,"message":2}']) {
    assert.equal(formatEntry(line, plain), line);
  }
});

Deno.test("formatEntry lets no control character through, wherever it stands", () => {
  const evil = "\x1b[2J\x9b31m\u202e\r\nB";
  const error = {
    code: evil,
    message: evil,
    stack: `${evil}\n at ${evil}`,
    cause: { stack: evil },
  };
  for (
    const line of [
      entry({ level: evil, message: evil, [evil]: evil, list: [evil], error }),
      `no JSON ${evil}`,
      JSON.stringify({ time: evil, level: evil, message: evil }),
    ]
  ) {
    const shown = formatEntry(line, plain);
    // deno-lint-ignore no-control-regex -- control characters are what this is about
    assert.doesNotMatch(shown, /[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e]/);
    assert.match(shown, /\\u009b31m/);
  }
});
