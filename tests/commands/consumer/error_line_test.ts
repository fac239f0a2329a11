/** The reason of a failed attempt: the line of the handler's stderr that a person would quote. */
import assert from "node:assert/strict";
import fc from "../../packages/fast_check.ts";
import { errorLine } from "../../../commands/consumer/error_line.ts";
import { settlementOf } from "../../../commands/consumer/exit_code.ts";

const FIXTURES = new URL("../../fixtures/stderr/", import.meta.url);
/**
 * What the programs of tests/fixtures/stderr/make.sh print, and what a person would quote of it.
 */
const QUOTED: Record<string, string> = {
  "bash-need": "need.sh: line 1: BANK_URL: is not set",
  "bash-trace": "cat: /srv/prices/2026-11.json: No such file or directory",
  "bash-trap": "ERROR: order o-17: card declined",
  "bash-unset": "charge.sh: line 3: CURRENCY: unbound variable",
  "curl-404": "curl: (22) The requested URL returned error: 404",
  "curl-503-retry": "curl: (22) The requested URL returned error: 503",
  "curl-503": "curl: (22) The requested URL returned error: 503",
  "curl-fallback":
    "curl: (7) Failed to connect to 127.0.0.1 port 9 after 0 ms: Couldn't connect to server",
  "curl-refused":
    "curl: (7) Failed to connect to 127.0.0.1 port 9 after 0 ms: Couldn't connect to server",
  "curl-resolve": "curl: (6) Could not resolve host: bank.invalid",
  "curl-verbose": "curl: (22) The requested URL returned error: 404",
  "dash-unset": "charge.sh: 3: CURRENCY: parameter not set",
  "deno-cause": "Error: order o-17 cannot be charged; caused by TypeError: no currency",
  "deno-check": "TS2322 [ERROR]: Type 'string' is not assignable to type 'number'.",
  "deno-missing": 'error: Module not found "file:///srv/billing/gone.ts".',
  "deno-permission":
    'NotCapable: Requires read access to "/etc/hostname", run again with the --allow-read flag',
  "deno-throw-plain": "RangeError: the total is below nothing: -12",
  "deno-throw-text": "card declined",
  "deno-throw": "RangeError: the total is below nothing: -12",
  "git-fatal": "fatal: not a git repository (or any of the parent directories): .git",
  "go-compile":
    './main.go:3:31: cannot use "12" (untyped string constant) as int value in variable declaration',
  "go-deadlock": "fatal error: all goroutines are asleep - deadlock!",
  "go-error": "panic: card declined",
  "go-fatal": "cannot charge order o-17: card declined",
  "go-goroutines": "panic: card declined",
  "go-index": "panic: runtime error: index out of range [5] with length 3",
  "go-map": "panic: assignment to entry in nil map",
  "go-nil": "panic: runtime error: invalid memory address or nil pointer dereference",
  "go-repanic": "panic: while charging: card declined",
  "go-run": "panic: card declined",
  "java-cause":
    "Charge$ChargeFailed: order o-17 cannot be charged; caused by java.net.ConnectException: Connection refused",
  "java-deep": "java.lang.StackOverflowError",
  "java-logged": "java.net.ConnectException: Connection refused",
  "java-no-class": "Error: Could not find or load main class Charged",
  "java-null":
    'java.lang.NullPointerException: Cannot invoke "String.length()" because "<local3>" is null',
  "java-plain": "java.lang.IllegalStateException: the total is below nothing",
  "java-silent": "java.lang.UnsupportedOperationException",
  "java-suppressed": "java.lang.IllegalStateException: the total is below nothing",
  "java-thread": "java.lang.ArithmeticException: / by zero",
  "java-wrapped": "java.lang.RuntimeException: java.net.ConnectException: Connection refused",
  "jq-type": 'jq: error (at <stdin>:0): Cannot index string with string "amount"',
  "make-error": "Error: card declined",
  "node-aggregate": "AggregateError: All promises were rejected; caused by Error: bank A is closed",
  "node-assert": "AssertionError [ERR_ASSERTION]: Expected values to be strictly deep-equal:",
  "node-cause":
    "Error: order o-17 cannot be charged; caused by SyntaxError: Expected property name or '}' in JSON at position 1",
  "node-enoent": "Error: ENOENT: no such file or directory, open '/srv/prices/2026-11.json'",
  "node-fetch-cause":
    "TypeError: fetch failed; caused by Error: connect ECONNREFUSED 127.0.0.1:47999",
  "node-logged": "charge failed: TypeError: Cannot read properties of null (reading 'x')",
  "node-missing-module":
    "Error [ERR_MODULE_NOT_FOUND]: Cannot find package 'stripe' imported from /srv/billing/missing.mjs",
  "node-reject-text": "card declined",
  "node-syntax": "SyntaxError: Unexpected token ';'",
  "node-throw-object": "{ code: 'card_declined', order: 'o-17' }",
  "node-throw-text": "card declined",
  "node-throw": "TypeError: Cannot read properties of undefined (reading 'id')",
  "perl-confess": "card declined at charge.pl line 2, <STDIN> line 1.",
  "perl-die-lines": "card declined",
  "perl-die": "cannot open the price list: No such file or directory at -e line 1.",
  "perl-method": 'Can\'t call method "total" on an undefined value at -e line 1, <STDIN> line 1.',
  "perl-module":
    "Can't locate Billing/Bank.pm in @INC (you may need to install the Billing::Bank module) (@INC contains: /etc/perl /usr/local/lib/x86_64-linux-gnu/perl/5.36.0 /usr/local/share/perl/5.36.0 /usr/lib/x86…",
  "python-chain":
    "RuntimeError: order o-17 cannot be charged; caused by ConnectionRefusedError: [Errno 111] Connection refused",
  "python-during":
    "FileNotFoundError: [Errno 2] No such file or directory: '/srv/prices/2026-11.json'; while handling KeyError: 'currency'",
  "python-from": "ChargeFailed: order o-17 cannot be charged; caused by KeyError: 'currency'",
  "python-group":
    "ExceptionGroup: 2 orders failed (2 sub-exceptions); caused by KeyError: 'currency'",
  "python-http-404": "urllib.error.HTTPError: HTTP Error 404: Not Found",
  "python-http-503": "urllib.error.HTTPError: HTTP Error 503: Service Unavailable",
  "python-json":
    "json.decoder.JSONDecodeError: Expecting property name enclosed in double quotes: line 1 column 2 (char 1)",
  "python-keyerror": "KeyError: 'currency'",
  "python-lines": "ValueError: 3 fields are wrong: total: not a number",
  "python-logging": "KeyError: 'currency'",
  "python-module": "ModuleNotFoundError: No module named 'stripe_of_ours'",
  "python-no-message": "NotImplementedError",
  "python-no-suffix": "decimal.InvalidOperation: [<class 'decimal.ConversionSyntax'>]",
  "python-syntax": "SyntaxError: invalid syntax",
  "python-sys-exit": "card declined",
  "ruby-abort": "card declined",
  "ruby-cause":
    'ChargeFailed: order o-17 cannot be charged; caused by ArgumentError: invalid value for Integer(): "twelve"',
  "ruby-keyerror": "KeyError: key not found: :currency",
  "ruby-lines": "ArgumentError: 2 fields are wrong: total: not a number",
  "ruby-nil": "NoMethodError: undefined method `total' for nil:NilClass",
  "ruby-raise": "RuntimeError: card declined",
  "rust-assert": "panicked at main.rs:1:13: assertion `left == right` failed: totals differ",
  "rust-backtrace": "panicked at main.rs:1:13: order o-17 cannot be charged",
  "rust-err": "Error: ParseIntError { kind: InvalidDigit }",
  "rust-panic": "panicked at main.rs:1:13: order o-17 cannot be charged",
  "rust-thread": "panicked at main.rs:1:74: card declined",
  "rust-unwrap":
    "panicked at main.rs:1:47: called `Result::unwrap()` on an `Err` value: ParseIntError { kind: InvalidDigit }",
};

Deno.test("errorLine quotes what a person would when real programs fail", () => {
  const names = [...Deno.readDirSync(FIXTURES)].map(({ name }) => name)
    .filter((name) => name.endsWith(".txt")).map((name) => name.slice(0, -".txt".length));
  assert.deepEqual(names.sort(), Object.keys(QUOTED).sort());
  for (const [name, quoted] of Object.entries(QUOTED)) {
    const stderr = Deno.readTextFileSync(new URL(`${name}.txt`, FIXTURES));
    assert.equal(errorLine(stderr), quoted, name);
    // What wrappers, clean-ups and hooks say before and after does not hide it.
    const [before, after] = [
      "starting\nreading the price list\n",
      "\nnote: see the log\nnpm error code 1\n",
    ];
    assert.equal(errorLine(before + stderr + after), quoted, `${name} among other words`);
  }
});

Deno.test("errorLine takes the more telling line when there are several", () => {
  const cases: [quoted: string, stderr: string][] = [
    ["", ""],
    ["", "\n \r\n\t\n"],
    ["no route", "charging\nno route\n"],
    ["no route", "no route"],
    ["evs: there is no topic t", "evs: there is no topic t\n  try: evs topic list\n"],
    ["evs: there is no topic tr2", "evs: there is no topic tr2\n  did you mean tr?\n"],
    ["fatal: no route", "fatal: no route\nretrying\ngiving up\n"],
    ["ERROR no route", "2026-11-24T02:00:00.123Z ERROR no route\n02:00:01 INFO bye\n"],
    ["done, 0 errors: good", "warming up\ndone, 0 errors: good\n"],
    ["make: *** [Makefile:2: all] Error 3", "make: *** [Makefile:2: all] Error 3\n"],
    // Records of logs in JSON.
    [
      "no route: ECONNREFUSED",
      '{"level":50,"msg":"no route","err":{"message":"ECONNREFUSED"}}\n{"level":30,"msg":"bye"}\n',
    ],
    ["no route", '{"severity":"ERROR","message":"no route"}\n'],
    [
      "no route",
      'time=02:00 level=info msg=start\n{"level":"fatal","msg":"no route","error":"no route"}\n',
    ],
    // Rust's anyhow, .NET, PHP, Elixir, the JVM's logs, as their manuals show them.
    [
      "Error: cannot charge; caused by No such file or directory (os error 2)",
      "Error: cannot charge\n\nCaused by:\n    0: reading the price list\n    1: No such file or directory (os error 2)\n",
    ],
    [
      "System.InvalidOperationException: cannot charge; caused by System.IO.IOException: no route",
      "Unhandled exception. System.InvalidOperationException: cannot charge\n ---> System.IO.IOException: no route\n   at Bank.Connect() in /srv/Bank.cs:line 7\n   --- End of inner exception stack trace ---\n   at Program.Main()\n",
    ],
    [
      "PHP Fatal error:  Uncaught Exception: no route in /srv/charge.php:3".replace("  ", " "),
      "PHP Fatal error:  Uncaught Exception: no route in /srv/charge.php:3\nStack trace:\n#0 {main}\n  thrown in /srv/charge.php on line 3\n",
    ],
    [
      "RuntimeError: no route",
      "** (RuntimeError) no route\n    charge.exs:1: (file)\n    (elixir 1.15) lib/code.ex:1435: Code.require_file/2\n",
    ],
    [
      "com.bank.Declined: no funds; caused by java.io.IOException: reset",
      "12:00:00.123 [main] ERROR billing.Charge - charge failed\ncom.bank.Declined: no funds\n\tat a.B.c(B.java:1)\nCaused by: com.bank.Lost: gone\n\t... 3 more\nCaused by: java.io.IOException: reset\n\t... 7 more\n",
    ],
    // An exception that was logged, and later another one that ended the program.
    [
      "ValueError: b",
      'Traceback (most recent call last):\n  File "a", line 1\nKeyError: \'a\'\nTraceback (most recent call last):\n  File "a", line 2\nValueError: b\n',
    ],
    // The older words of a panic.
    [
      "panicked at src/main.rs:2:5: no route",
      "thread 'main' panicked at 'no route', src/main.rs:2:5\nnote: run with `RUST_BACKTRACE=1`\n",
    ],
  ];
  for (const [quoted, stderr] of cases) assert.equal(errorLine(stderr), quoted, stderr);
});

const piece = fc.oneof(
  fc.constantFrom(
    ...Object.keys(QUOTED).map((name) =>
      Deno.readTextFileSync(new URL(`${name}.txt`, FIXTURES)).slice(0, 1500)
    ),
    "\x1b[31m",
    "\x1b]8;;",
    "\u009b",
    "\r",
    "\n",
    "{",
    "  ",
    "Error: ",
    "Caused by:",
    "/srv/a.js:7\n",
    "\ud800",
  ),
  fc.string({ unit: "binary" }),
  fc.string(),
);

Deno.test("errorLine gives one short line without control characters, whatever was printed", () => {
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 12 }), (pieces) => {
      const line = errorLine(pieces.join(""));
      assert.ok(line.length <= 420, `${line.length}`);
      // deno-lint-ignore no-control-regex -- none of these may be left
      assert.doesNotMatch(line, /[\x00-\x1f\x7f-\x9f]/);
      assert.equal(line, line.trim());
    }),
    { numRuns: 2000 },
  );
});

Deno.test("errorLine finds something when anything was said", () => {
  fc.assert(fc.property(fc.array(fc.stringMatching(/^[a-zA-Z:. ]{1,30}$/)), (lines) => {
    assert.equal(errorLine(lines.join("\n")) === "", lines.every((line) => line.trim() === ""));
  }));
});

Deno.test("errorLine takes no longer for hostile words than ten times what it takes for others", () => {
  const size = 256 * 1024;
  const fill = (text: string) => text.repeat(Math.ceil(size / text.length)).slice(0, size);
  const time = (text: string) => {
    const times = Array.from({ length: 3 }, () => {
      const begun = performance.now();
      errorLine(text);
      return performance.now() - begun;
    });
    return Math.min(...times);
  };
  const control = time(fill("charging order 7\n"));
  for (
    const unit of [
      "\x1b[",
      "\x1b]",
      "Error",
      "[Error: ",
      "A".repeat(1999) + "\n",
      "a.".repeat(999) + "\n",
      "1 ".repeat(999) + "\n",
      "thread '".repeat(240) + "\n",
      "<".repeat(1999) + "\n",
      "\t".repeat(1999) + "x\n",
      '{"a":'.repeat(390) + "}\n",
      " at x\n",
      "Caused by: x\n",
      "\r",
      "^\n",
    ]
  ) {
    const took = time(fill(unit));
    assert.ok(
      took <= 10 * Math.max(control, 5),
      `${JSON.stringify(unit)}: ${took} ms, ${control} ms`,
    );
  }
});

Deno.test("settlementOf tells what ended the handler and what it said of it", () => {
  const run = { kind: "ended", exitCode: 1, durationMs: 5 } as const;
  const error = (facts: { stderr: string; said?: string; timedOutAfter?: number }) => {
    const verdict = settlementOf({ ...run, ...facts }, ["charge"]);
    return verdict.kind === "nack" ? verdict.failure.error : undefined;
  };
  const stderr = Deno.readTextFileSync(new URL("node-throw.txt", FIXTURES));
  const quoted = "TypeError: Cannot read properties of undefined (reading 'id')";
  assert.equal(error({ stderr }), `exit code 1: ${quoted}`);
  assert.equal(error({ stderr: "" }), "exit code 1");
  assert.equal(
    error({ stderr: "\tat a.B.c(B.java:1)\n", said: "java.lang.Error: x" }),
    "exit code 1: java.lang.Error: x",
  );
  const missing = settlementOf({
    ...run,
    exitCode: 127,
    stderr: "a.sh: line 3: jqq: command not found\n",
  }, ["sh", "a.sh"]);
  assert.ok(missing.kind === "pause");
  assert.match(missing.reason, /: a\.sh: line 3: jqq: command not found$/);
  assert.equal(error({ stderr, timedOutAfter: 50 }), `timed out after 50 ms: ${quoted}`);
});
