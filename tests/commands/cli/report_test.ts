/** How an error ends a command: its exit code, as docs/configuration.md promises, and its words. */
import assert from "node:assert/strict";
import { readCommonOptions } from "../../../commands/cli/arguments.ts";
import { EvsContext } from "../../../commands/cli/context.ts";
import { formatError, reportError } from "../../../commands/cli/report.ts";
import { ClosedPipe, type Sink } from "../../../commands/terminal/output.ts";
import {
  CannotStoreError,
  ConflictError,
  ConnectionLostError,
  DataDirError,
  EventRefusedError,
  EvsError,
  ExitCode,
  InternalError,
  InvalidArgumentError,
  InvalidSchemaError,
  NoDaemonError,
  NotAnsweringError,
  NotFoundError,
  TimeoutError,
} from "../../../core/base/errors.ts";

/** Standard error that keeps what it is told. */
class KeptSink implements Sink {
  text = "";

  writeSync(bytes: Uint8Array): number {
    this.text += new TextDecoder().decode(bytes);
    return bytes.length;
  }

  write(bytes: Uint8Array): Promise<number> {
    return Promise.resolve(this.writeSync(bytes));
  }

  isTerminal(): boolean {
    return false;
  }
}

function reported(error: unknown, json = false): { code: number; text: string } {
  const stderr = new KeptSink();
  const options = { json, color: "never", quiet: false, verbose: false } as const;
  const code = reportError(new EvsContext({ argv: [], options, stderr }), error);
  return { code, text: stderr.text };
}

Deno.test("reportError ends with the exit code that is documented for each kind of error", async () => {
  const cases: [EvsError | Error, number][] = [
    [new NotFoundError("topic", "x"), 1],
    [new TimeoutError("x"), 1],
    [new InvalidArgumentError("x"), 2],
    [new ConflictError("x", { code: "topic/exists" }), 3],
    [new EventRefusedError("event/invalid-json", "x"), 4],
    [new InvalidSchemaError("x"), 4],
    [new NoDaemonError("x"), 5],
    [new NotAnsweringError("x"), 5],
    [new ConnectionLostError("x"), 5],
    [new CannotStoreError("x", { code: "store/disk-full" }), 7],
    [new DataDirError("datadir/locked", "x"), 7],
    [new InternalError("x"), 70],
    [new Error("nobody foresaw this"), 70],
  ];
  for (const [error, code] of cases) {
    assert.equal(reported(error).code, code, error.constructor.name);
    assert.equal(reported(error, true).code, code, `${error.constructor.name} as JSON`);
  }
  assert.deepEqual(ExitCode, {
    Ok: 0,
    NotFound: 1,
    Usage: 2,
    Conflict: 3,
    Refused: 4,
    NoDaemon: 5,
    Partly: 6,
    CannotStore: 7,
    Bug: 70,
    Interrupted: 130,
  });
  const page = new URL("../../../docs/configuration.md", import.meta.url);
  const [, section = ""] = (await Deno.readTextFile(page)).split("\n## Exit codes\n");
  const [table = ""] = section.split("\n## ");
  for (const code of Object.values(ExitCode)) {
    assert.match(table, new RegExp(`^\\| *\`?${code}\`? *\\|`, "m"), `${code} is documented`);
  }
});

Deno.test("reportError takes a closed pipe for the end, not for an error", () => {
  assert.deepEqual(reported(new ClosedPipe()), { code: 0, text: "" });
});

const HOSTILE = "\x1b]0;owned\x07\u202etxt\x9b31m";

Deno.test("formatError lets nothing of an event or a file through to the terminal", () => {
  const error = new InvalidArgumentError(`${HOSTILE}\nsecond line`, {
    hint: `evs get ${HOSTILE}`,
    details: { faults: [{ pointer: `/${HOSTILE}`, message: HOSTILE }] },
  });
  const asked = new InvalidArgumentError("x", { hint: `did you mean ${HOSTILE}?` });
  for (const { text } of [reported(error), reported(error, true), reported(asked)]) {
    // deno-lint-ignore no-control-regex -- control characters are what this is about
    assert.doesNotMatch(text, /[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e]/);
    assert.match(text, /txt/);
  }
  assert.equal(reported(error).text.split("\n").length, 5, "its own line feeds stay");
  assert.equal(JSON.parse(reported(error, true).text).error.message, error.message);
});

Deno.test("formatError tells a command to type from a question, and the schema's faults once", () => {
  const context = new EvsContext({
    argv: [],
    options: { json: false, color: "never", quiet: false, verbose: false },
  });
  const faults = [{ pointer: "", message: "is no object" }, { pointer: "/a", message: "is 1" }];
  const words = (error: EvsError) => formatError(context, error);
  const refused = (message: string) =>
    new EventRefusedError("event/schema-violation", message, { details: { faults } });
  assert.equal(words(refused("no")), "evs: no\n  (the whole payload): is no object\n  /a: is 1\n");
  assert.equal(words(refused(" is no object, /a is 1")), "evs:  is no object, /a is 1\n");
  assert.equal(
    words(new InvalidArgumentError("no", { hint: "did you mean x?" })),
    "evs: no\n  did you mean x?\n",
  );
  assert.equal(words(new InvalidArgumentError("no", { hint: "evs x" })), "evs: no\n  try: evs x\n");
});

Deno.test("reportError says how to start the daemon that the command line named", () => {
  const error = new NoDaemonError("no daemon answers", { hint: "evs daemon start" });
  const said = (argv: string[]) => {
    const stderr = new KeptSink();
    const options = { ...readCommonOptions(argv), color: "never" as const };
    reportError(new EvsContext({ argv, options, stderr }), error);
    return stderr.text;
  };
  const line = (command: string) => `evs: no daemon answers; start one: ${command}\n`;
  assert.equal(said(["status"]), line("evs daemon start"));
  assert.equal(
    said(["status", "--data-dir", "my data", "--socket=/run/e.sock"]),
    line("evs daemon start --socket /run/e.sock --data-dir 'my data'"),
  );
  assert.equal(
    said(["status", "--config", "c.toml", "--context", "prod"]),
    line("evs daemon start --config c.toml --context prod"),
  );
  assert.equal(
    JSON.parse(said(["status", "--json", "--data-dir", "d"])).error.hint,
    "evs daemon start --data-dir d",
  );
});
