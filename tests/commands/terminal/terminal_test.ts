/** Tables, sizes, escapes and colours on a terminal. */
import assert from "node:assert/strict";
import fc from "../../packages/fast_check.ts";
import { EvsContext } from "../../../commands/cli/context.ts";
import { palette, wantsColour } from "../../../commands/terminal/colour.ts";
import { escapeJson, escapeLines, escapeText } from "../../../commands/terminal/escape.ts";
import { ClosedPipe, Output, type Sink } from "../../../commands/terminal/output.ts";
import { Progress } from "../../../commands/terminal/progress.ts";
import { formatFacts, formatTable, width } from "../../../commands/terminal/table.ts";

const plain = palette(false);

// deno-lint-ignore no-control-regex -- control characters are what this is about
const DANGEROUS = /[\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\u2028\u2029\u200e\u200f\u061c]/;

Deno.test("escapeText shows control characters, bidi controls and OSC instead of obeying them", () => {
  assert.equal(escapeText("\x1b]0;title\x07"), "\\e]0;title\\u0007");
  assert.equal(escapeText("a\nb\rc\td"), "a\\nb\\rc\\td");
  assert.equal(escapeText("\x9b31m\x7f\u202etxt.exe"), "\\u009b31m\\u007f\\u202etxt.exe");
  assert.equal(escapeText("ünï 日本 👍"), "ünï 日本 👍");
  assert.equal(escapeText("\ud800x"), "\\ud800x");
});

Deno.test("escapeText shows every character that Unicode calls a control, turns text around or ends a line", () => {
  for (let code = 0; code <= 0x10ffff; code++) {
    const character = String.fromCodePoint(code);
    if (!/[\p{Cc}\p{Bidi_Control}\p{Zl}\p{Zp}\p{Cs}]/u.test(character)) continue;
    const shown = escapeText(character);
    assert.match(shown, /^\\(?:[nrte]|u[0-9a-f]{4}(?:\\u[0-9a-f]{4})?)$/, code.toString(16));
    assert.equal(escapeText(`(${character},${character})`), `(${shown},${shown})`);
    assert.equal(escapeLines(character), character === "\n" ? "\n" : shown);
  }
});

Deno.test("escapeText shows what cannot be seen, and leaves the joiners of emoji", () => {
  assert.equal(escapeText("a\u200bb\u00adc\u2063"), "a\\u200bb\\u00adc\\u2063");
  assert.equal(escapeText("\u{e0041}"), "\\udb40\\udc41");
  assert.equal(escapeText("👩\u200d🔬"), "👩\u200d🔬");
});

Deno.test("passWords disarms what another process says on a terminal, and nothing elsewhere", async () => {
  const words = "\x1b]0;x\x07 \u009b31m\n";
  for (const terminal of [true, false]) {
    const sink = new FakeSink(terminal);
    const context = new EvsContext({
      argv: [],
      options: { json: false, color: "never", quiet: false, verbose: false },
      stderr: sink,
    });
    await context.passWords(new TextEncoder().encode(words));
    assert.equal(sink.text, terminal ? "\\e]0;x\\u0007 \\u009b31m\n" : words);
  }
});

Deno.test("escapeText leaves nothing dangerous of any text", () => {
  fc.assert(
    fc.property(fc.string({ unit: "binary" }), (text) => {
      assert.doesNotMatch(escapeText(text), DANGEROUS);
      assert.doesNotMatch(escapeLines(text).replaceAll("\n", ""), DANGEROUS);
    }),
  );
});

Deno.test("escapeJson keeps the meaning of the JSON", () => {
  fc.assert(
    fc.property(fc.string({ unit: "binary" }), (text) => {
      const escaped = escapeJson(JSON.stringify({ text }));
      assert.doesNotMatch(escaped, DANGEROUS);
      assert.deepEqual(JSON.parse(escaped), { text });
    }),
  );
});

Deno.test("formatTable aligns columns, numbers to the right, and escapes cells", () => {
  assert.equal(
    formatTable([
      { topic: "users", events: 12345, store: "sqlite" },
      { topic: "日本", events: 7, store: "\x1b[31mred" },
    ], { paint: plain }),
    "TOPIC  EVENTS  STORE\n" +
      "users  12,345  sqlite\n" +
      "日本        7  \\e[31mred\n",
  );
  assert.equal(formatTable([], { paint: plain }), "");
});

Deno.test("formatTable puts a column below its row and drops others where the terminal is narrow", () => {
  const rows = [{
    age: "1m",
    topic: "orders",
    id: "abcdef0123",
    reason: "connect timed out after 3 s",
  }];
  const fit = (columns: number) =>
    formatTable(rows, { paint: plain, columns, below: "reason", drop: ["topic"] });
  assert.equal(
    fit(60),
    "AGE  TOPIC   ID          REASON\n1m   orders  abcdef0123  connect timed out after 3 s\n",
  );
  assert.equal(
    fit(30),
    "AGE  TOPIC   ID\n1m   orders  abcdef0123\n  connect timed out after 3 s\n",
  );
  assert.equal(fit(18), "AGE  ID\n1m   abcdef0123\n  connect timed o…\n");
  const some = [{ id: "a", reason: undefined }, { id: "b", reason: "" }, { id: "c", reason: "no" }];
  assert.equal(
    formatTable(some, { paint: plain, columns: 5, below: "reason" }),
    "ID\na\nb\nc\n  no\n",
  );
});

Deno.test("formatTable leaves no column without text when the terminal is narrow or tells no width", () => {
  const cell = fc.string({ unit: "grapheme", minLength: 1, maxLength: 60 });
  fc.assert(
    fc.property(
      fc.record({ age: cell, topic: cell, id: cell, reason: cell }),
      fc.oneof(fc.integer({ min: 0, max: 45 }), fc.constantFrom(20, 30, 40, 80)),
      (row, columns) => {
        const table = formatTable([row], {
          paint: plain,
          columns,
          below: "reason",
          drop: ["topic"],
        });
        const [head, cells, below] = table.split("\n");
        // What identifies the row stands there whole, to be copied.
        for (const name of ["age", "id"] as const) {
          assert.ok(head!.includes(name.toUpperCase()), table);
          assert.ok(cells!.includes(escapeText(row[name]).trimEnd()), table);
        }
        if (head!.includes("REASON")) return;
        const told = below!.slice(2);
        const whole = escapeText(row.reason);
        assert.ok(told === whole || width(told) > 14 && told.endsWith("…"), table);
        assert.ok(width(below!) <= Math.max(columns, 18), table);
      },
    ),
  );
  const rows = [{ age: "1m", id: "abcdef0123", reason: "connect timed out after 3 s" }];
  const fit = (columns?: number) => formatTable(rows, { paint: plain, below: "reason", columns });
  assert.equal(fit(0), fit());
});

Deno.test("Output.columns is not known when a terminal says 0", () => {
  for (const [said, columns] of [[0, undefined], [undefined, undefined], [40, 40]] as const) {
    const sink: Sink = Object.assign(new FakeSink(true), { columns: () => said });
    assert.equal(new Output(sink).columns, columns);
  }
});

Deno.test("formatFacts gives each value of a list a line below the first", () => {
  assert.equal(
    formatFacts({ size: 1, flags: ["-a", "\x1b-b"] }, { paint: plain }),
    "size   1\nflags  -a\n       \\e-b\n",
  );
});

Deno.test("formatFacts leaves out what is undefined", () => {
  assert.equal(
    formatFacts({ name: "a", size: undefined, paused: false }, { paint: plain }),
    "name    a\npaused  no\n",
  );
});

Deno.test("width counts columns, not code units", () => {
  assert.equal(width("abc"), 3);
  assert.equal(width("日本"), 4);
  assert.equal(width("e\u0301"), 1);
});

Deno.test("wantsColour follows the flag, then the terminal, NO_COLOR and TERM", () => {
  assert.equal(wantsColour("always", { terminal: false, noColor: "1" }), true);
  assert.equal(wantsColour("never", { terminal: true }), false);
  assert.equal(wantsColour("auto", { terminal: true }), true);
  assert.equal(wantsColour("auto", { terminal: true, noColor: "" }), true);
  assert.equal(wantsColour("auto", { terminal: true, noColor: "1" }), false);
  assert.equal(wantsColour("auto", { terminal: true, term: "dumb" }), false);
  assert.equal(wantsColour("auto", { terminal: false }), false);
});

/** A sink that takes a few bytes at a time, refuses now and then, and may break. */
class FakeSink implements Sink {
  text = "";
  refusals = 0;
  broken = false;
  #decoder = new TextDecoder();
  #terminal: boolean;

  constructor(terminal = false) {
    this.#terminal = terminal;
  }

  writeSync(bytes: Uint8Array): number {
    if (this.broken) throw new Deno.errors.BrokenPipe();
    if (this.refusals-- > 0) throw new Deno.errors.WouldBlock();
    const taken = bytes.subarray(0, 3);
    this.text += this.#decoder.decode(taken, { stream: true });
    return taken.length;
  }

  write(bytes: Uint8Array): Promise<number> {
    return Promise.resolve().then(() => this.writeSync(bytes));
  }

  isTerminal(): boolean {
    return this.#terminal;
  }
}

Deno.test("Output writes all of it when the sink takes less and refuses at first", async () => {
  const sink = new FakeSink();
  sink.refusals = 2;
  const output = new Output(sink);
  await output.write("first äöü\n");
  sink.refusals = 1;
  output.writeSync("second\n");
  assert.equal(sink.text, "first äöü\nsecond\n");
});

Deno.test("Output has written all of it to a file when write returns", async () => {
  const sink = new FakeSink();
  sink.refusals = 1;
  const file = Object.assign(sink, { isFile: () => true });
  const written = new Output(file).write("whole\n");
  assert.equal(sink.text, "whole\n");
  await written;
});

Deno.test("standardOutput tells a file from a pipe", async () => {
  const module = new URL("../../../commands/terminal/output.ts", import.meta.url);
  const code = `import { standardOutput } from ${JSON.stringify(module.href)};
    Deno.stderr.writeSync(new TextEncoder().encode(String(standardOutput.isFile())));`;
  const path = await Deno.makeTempFile();
  const said = async (redirect: string) => {
    const { stderr } = await new Deno.Command("sh", {
      args: ["-c", `"$1" eval "$2" ${redirect}`, "sh", Deno.execPath(), code],
    }).output();
    return new TextDecoder().decode(stderr);
  };
  assert.deepEqual([await said(`>${path}`), await said("| cat")], ["true", "false"]);
  await Deno.remove(path);
});

Deno.test("Output throws ClosedPipe when its reader is gone, and a lossy one goes on", async () => {
  const sink = new FakeSink();
  sink.broken = true;
  await assert.rejects(new Output(sink).write("x"), ClosedPipe);
  assert.throws(() => new Output(sink).writeSync("x"), ClosedPipe);
  new Output(sink, { lossy: true }).writeSync("x");
});

Deno.test("Progress draws only what takes long, at most five times a second, and is gone at the end", () => {
  const sink = new FakeSink();
  let now = 0;
  const progress = new Progress({ output: new Output(sink), enabled: true, now: () => now });
  progress.update(() => "too early");
  now = 600;
  progress.update(() => "a");
  now = 700;
  progress.update(() => "too soon");
  now = 900;
  progress.update(() => "b");
  progress.clear();
  assert.equal(sink.text, "\r\x1b[Ka\r\x1b[Kb\r\x1b[K");
});
