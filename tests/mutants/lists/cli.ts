/** Mutants of the commands: exit codes, handlers, alerts, the spool, times, contexts, checks. */
import type { Mutant } from "../mutant.ts";

const commands = "tests/commands";
const ONCE = "5. At least once";
const EXIT = "a command ends with the exit code of docs/configuration.md";
const ALERTS = "Alerts are not lost over restarts";
const SPOOL = "What no daemon took is published once";
const STREAM = "A published stream survives a restart of the daemon";
const TERMINAL = "26. Terminal output is escaped";

const exitCode = {
  promise: EXIT,
  file: "commands/consumer/exit_code.ts",
  tests: [`${commands}/consumer/exit_code_test.ts`],
  filter: "judge",
};
const result = {
  promise: EXIT,
  file: "commands/consumer/result.ts",
  tests: [`${commands}/consume_test.ts`],
  filter: "exitCode",
};
const batch = {
  promise: ONCE,
  file: "commands/consumer/batch.ts",
  tests: [`${commands}/consumer/batch_test.ts`],
};
const report = {
  file: "commands/cli/report.ts",
  tests: [`${commands}/cli/report_test.ts`],
};
const errors = {
  promise: EXIT,
  file: "core/base/errors.ts",
  tests: report.tests,
  filter: "exit code",
};
const machine = {
  promise: ALERTS,
  file: "commands/alerting/machine.ts",
  tests: [`${commands}/alerting/machine_test.ts`],
  filter: "judge",
};
const writer = {
  promise: SPOOL,
  file: "commands/spool/writer.ts",
  tests: [`${commands}/spool/writer_test.ts`],
  filter: "SpoolWriter.put",
};
const pipeline = {
  promise: STREAM,
  file: "commands/publisher/pipeline.ts",
  tests: [`${commands}/publisher/pipeline_test.ts`],
};
const handler = {
  promise: ONCE,
  file: "commands/consumer/handler.ts",
  tests: [`${commands}/consumer/handler_test.ts`],
};
const child = {
  promise: ONCE,
  file: "commands/consumer/posix_spawn.ts",
  tests: [`${commands}/consumer/child_test.ts`],
};
const contexts = {
  promise: "21. Only the owner has access",
  file: "commands/context/change.ts",
  tests: [`${commands}/context/contexts_test.ts`],
  filter: "changeContexts",
};
const check = {
  promise: "evs check ends like a plug-in of Nagios",
  file: "commands/check/report.ts",
  tests: [`${commands}/check/check_test.ts`],
  filter: "levelOf",
};

export const cliMutants: Mutant[] = [
  {
    name: "exit code: 65 is retried",
    ...exitCode,
    from: 'nack({ error: "exit code 65: refused for good", exitCode, dead: true })',
    to: 'nack({ error: "exit code 65: refused for good", exitCode })',
  },
  {
    name: "exit code: a command that is not found is retried until its event is dead",
    ...exitCode,
    from: '    case 127:\n      return {\n        kind: "pause",\n        reason:',
    to: '    case 255:\n      return {\n        kind: "pause",\n        reason:',
  },
  {
    name: "exit code: a handler that a signal ended is done",
    ...exitCode,
    from: "  if (signal !== undefined) return nack({ error: `killed by ${signal}`, signal });\n",
    to: "",
  },
  {
    name: "exit code: a handler that timed out and then ended with 0 is done",
    ...exitCode,
    from: "if (timedOutAfter !== undefined) {",
    to: "if (timedOutAfter !== undefined && exitCode !== 0) {",
  },
  {
    name: "handlers: run in the session of their consumer",
    ...child,
    from: "OWN_SESSION | SIGNALS_RESET",
    to: "SIGNALS_RESET",
  },
  {
    name: "handlers: inherit that SIGPIPE is ignored",
    ...child,
    from: "reset[(SIGPIPE - 1) >> 3] =",
    to: "reset[(SIGPIPE - 1) >> 3] = 0 *",
  },
  {
    name: "handlers: one that a signal ended has succeeded",
    ...child,
    from: "if (number === 0) return",
    to: "if (number >= 0) return",
  },
  {
    name: "handlers: get only what fits into a pipe at once",
    ...child,
    file: "commands/consumer/pipes.ts",
    from: "if (count === bytes.length) {",
    to: "if (count > 0) {",
  },
  {
    name: "handlers: a pipe that is full again is taken for one that nobody reads",
    ...child,
    file: "commands/consumer/pipes.ts",
    from: "        isReady = false;\n",
    to: "",
  },
  {
    name: "handlers: waits for what somebody else has read",
    ...child,
    from: "[stdin?.writes, out?.reads, err?.reads]",
    to: "[stdin?.writes]",
    file: "commands/consumer/posix_spawn.ts",
  },
  {
    name: "handlers: nobody is told how they end when that is ignored",
    ...child,
    file: "commands/consumer/libc.ts",
    from: "if (ignoresEnds()) libc.signal(SIGCHLD, DEFAULT_ACTION);",
    to: "",
    filter: "started this program ignores",
  },
  {
    name: "handlers: one that was just started outlives its consumer",
    promise: ONCE,
    file: "commands/consumer/posix_spawn.ts",
    from: "starting?.(",
    to: "void (",
    tests: [`${commands}/consumer/handler_guard_test.ts`],
  },
  {
    name: "handlers: a guard that was killed is not replaced",
    promise: ONCE,
    file: "commands/consumer/handler_guard.ts",
    from: "if (this.#shell?.hasEnded) this.#shell = undefined;",
    to: "",
    tests: [`${commands}/consumer/handler_guard_test.ts`],
  },
  {
    name: "consume: dead letters end it with 0",
    ...result,
    from: "return result.dead > 0 ? ExitCode.Partly : ExitCode.Ok;",
    to: "return ExitCode.Ok;",
  },
  {
    name: "consume: SIGTERM is a failure",
    ...result,
    from: 'if (result.interrupted === "SIGTERM") return ExitCode.Ok;',
    to: "",
  },
  {
    name: "consume: a pause ends it with 0",
    ...result,
    from: "if (result.paused !== undefined) return ExitCode.NotFound;",
    to: "",
  },
  {
    name: "errors: a refused event ends a command with the code of a wrong command line",
    ...errors,
    from: 'status: code === "event/too-large" ? 413 : 422, exit: ExitCode.Refused },',
    to: 'status: code === "event/too-large" ? 413 : 422, exit: ExitCode.Usage },',
  },
  {
    name: "errors: the code of a bug is that of a conflict",
    ...errors,
    from: "  Bug: 70,",
    to: "  Bug: 3,",
  },
  {
    name: "report: a closed pipe is an error",
    promise: EXIT,
    ...report,
    from: "if (error instanceof ClosedPipe) return ExitCode.Ok;",
    to: "if (error instanceof ClosedPipe) return ExitCode.NoDaemon;",
  },
  {
    name: "report: control characters of a message reach the terminal",
    promise: TERMINAL,
    ...report,
    from: '`${paint.red("evs:")} ${escapeLines(error.message)}`',
    to: '`${paint.red("evs:")} ${error.message}`',
  },
  {
    name: "report: control characters of a hint reach the terminal",
    promise: TERMINAL,
    ...report,
    from: 'else lines.push(`  ${paint.dim("try:")} ${escapeLines(hint)}`);',
    to: 'else lines.push(`  ${paint.dim("try:")} ${hint}`);',
  },
  {
    name: "report: a schema's fault is told as it came",
    promise: TERMINAL,
    ...report,
    from: "        escapeLines(fault.message)\n",
    to: "        fault.message\n",
  },
  {
    name: "report: an error in JSON is not escaped",
    promise: TERMINAL,
    ...report,
    from: "return escapeJson(JSON.stringify({ error: defined({ ...error.toBody(), hint }) })) +",
    to: "return JSON.stringify({ error: defined({ ...error.toBody(), hint }) }) +",
  },
  {
    name: "format: values of an event reach the terminal",
    promise: TERMINAL,
    file: "commands/reading/format_event.ts",
    from: "return escape(plainValue(pointerText(",
    to: "return String(plainValue(pointerText(",
    tests: [`${commands}/reading/format_test.ts`],
    filter: "escapes values",
  },
  {
    name: "batch: an answer for another event is taken",
    ...batch,
    from: "if (!this.#options.ids.has(id)) {",
    to: 'if (id === "") {',
  },
  {
    name: "batch: any outcome is one",
    ...batch,
    from: "} else if (!OUTCOMES.includes(outcome)) {",
    to: "} else if (outcome === null) {",
  },
  {
    name: "batch: the first answer counts",
    ...batch,
    from: "this.answers.set(id, {",
    to: "if (!this.answers.has(id)) this.answers.set(id, {",
  },
  {
    name: "batch: events without an answer are done",
    ...batch,
    from: '    if (answer === undefined || forAll.kind === "pause"',
    to: '    if (answer === undefined) return { kind: "ack" };\n    if (forAll.kind === "pause"',
  },
  {
    name: "batch: what was refused for good is retried",
    ...batch,
    from: "...(dead ? { dead } : {}),",
    to: "",
  },
  {
    name: "handler: inherits the facts of an outer delivery",
    ...handler,
    filter: "handlerEnv",
    from: "    EVS_BATCH: undefined,\n",
    to: "",
  },
  {
    name: "handler: a batch inherits the id of an outer delivery",
    ...handler,
    filter: "batchEnv",
    from: 'const OF_ONE_EVENT = ["ID", "SEQ",',
    to: 'const OF_ONE_EVENT = ["SEQ",',
  },
  {
    name: "alert: an end is told of what never began",
    ...machine,
    from: "      if (known.begun) {\n        occurrences",
    to: "      if (known.begun || true) {\n        occurrences",
  },
  {
    name: "alert: what could not be seen has ended",
    ...machine,
    from: 'return isUnseen ? undefined : "removed";',
    to: 'return isUnseen ? "removed" : "removed";',
  },
  {
    name: "alert: a condition begins at each look",
    ...machine,
    from: "const begins = !held.begun && now",
    to: "const begins = now",
  },
  {
    name: "alert: begins before it has held for as long as was asked",
    ...machine,
    from: "const needed = isLasting(reading.measure) ? limit.value : rules.forMs;",
    to: "const needed = isLasting(reading.measure) ? limit.value : 0;",
  },
  {
    name: "alert: ends what another one watches",
    ...machine,
    from: 'return rules.endsUnwatched ? "unwatched" : undefined;',
    to: 'return "unwatched";',
  },
  {
    name: "alert: a limit counts as passed when it is reached",
    promise: ALERTS,
    file: "commands/alerting/limit.ts",
    from: "      return value > limit;",
    to: "      return value >= limit;",
    tests: [`${commands}/alerting/limit_test.ts`],
    filter: "isPast",
  },
  {
    name: "alert: an end is dropped without its begin",
    promise: ALERTS,
    file: "commands/alerting/untold.ts",
    from: 'return queue.splice(queue[0]!.state === "begin" ? 2 : 1, 2);',
    to: "return queue.splice(1, 1);",
    tests: machine.tests,
    filter: "Untold",
  },
  {
    name: "alert: a restart forgets how long a condition has held",
    promise: ALERTS,
    file: "commands/alerting/state_file.ts",
    from: "heldFrom: now.monotonic - Math.max(0, now.wall - condition.since),",
    to: "heldFrom: now.monotonic,",
    tests: [`${commands}/alerting/state_file_test.ts`],
  },
  {
    name: "spool: takes one event more than it may have",
    ...writer,
    from: "if (events <= maxEvents && bytes <= maxBytes)",
    to: "if (events <= maxEvents + 1 && bytes <= maxBytes)",
  },
  {
    name: "spool: its bytes have no bound",
    ...writer,
    from: "if (events <= maxEvents && bytes <= maxBytes)",
    to: "if (events <= maxEvents)",
  },
  {
    name: "spool: writes into a folder that everybody can write",
    promise: "21. Only the owner has access",
    file: writer.file,
    tests: writer.tests,
    filter: writer.filter,
    from: "const OTHERS_WRITE = 0o002;",
    to: "const OTHERS_WRITE = 0;",
  },
  {
    name: "spool: others may read what waits",
    promise: "21. Only the owner has access",
    file: writer.file,
    tests: writer.tests,
    filter: writer.filter,
    from: "return { mode: 0o600, ...(own",
    to: "return { mode: 0o644, ...(own",
  },
  {
    name: "publish: nine requests are under way",
    ...pipeline,
    from: "const MOST_REQUESTS = 8;",
    to: "const MOST_REQUESTS = 9;",
    filter: "at most eight",
  },
  {
    name: "check: a number at its limit is OK",
    ...check,
    from: 'worse === "high" ? value >= limit : value <= limit;',
    to: 'worse === "high" ? value > limit : value < limit;',
  },
  {
    name: "check: CRITICAL is only WARNING",
    ...check,
    from: 'return reaches(crit) ? "CRITICAL" : reaches(warn)',
    to: "return reaches(warn)",
  },
  {
    name: "context: others may read where daemons are",
    ...contexts,
    from: "{ createNew: true, write: true, mode: 0o600 }",
    to: "{ createNew: true, write: true, mode: 0o644 }",
  },
  {
    name: "context: a link is replaced by a file",
    promise: "evs context leaves a link a link, as people who share their settings have",
    file: contexts.file,
    tests: contexts.tests,
    filter: contexts.filter,
    from: "  return exists(file) ? targetOf(file, file) : file;",
    to: "  return targetOf === undefined ? targetOf(file, file) : file;",
  },
  {
    name: "byte order mark: what only begins like one is left out, too",
    promise: "11. Bytes in are bytes out",
    file: "commands/cli/byte_order_mark.ts",
    from: "      whole.set(MARK.subarray(0, matched));\n",
    to: "",
    tests: [`${commands}/cli/byte_order_mark_test.ts`],
    filter: "piecesWithoutMark",
  },
];
