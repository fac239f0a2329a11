/** Mutants of what packages bring along, of traces that go on, and of the numbers behind charts. */
import type { Mutant } from "../mutant.ts";

const TRACE = "A trace goes on";
const HISTORY = "The history stays small, and idle stays idle";

const launcher = {
  file: "packaging/evs",
  tests: ["tests/packaging/launcher_test.ts"],
};
const trace = {
  promise: TRACE,
  file: "commands/consumer/trace_env.ts",
  tests: ["tests/commands/consumer/trace_env_test.ts"],
};
const history = {
  promise: HISTORY,
  file: "daemon/history.ts",
  tests: ["tests/daemon/history_test.ts"],
};

export const packagingMutants: Mutant[] = [
  {
    name: "launcher: others may write where the binary is remembered",
    promise: "A package needs nothing else",
    ...launcher,
    filter: "nobody else can write",
    from: "        umask 077\n",
    to: "",
  },
  {
    name: "launcher: a Deno that is too old is run",
    promise: "A package needs nothing else",
    ...launcher,
    filter: "too old",
    from: '        /*) deno=$found ;;\n        "old "*)',
    to: '        /*) deno=$found ;;\n        "older "*)',
  },
  {
    name: "launcher: the deno on the PATH is asked each time",
    promise: "A package needs nothing else",
    ...launcher,
    filter: "asks the deno on the PATH once",
    from: 'IFS= read -r deno <"$memory" || deno=',
    to: "deno=",
  },
  {
    name: "install script: unpacks what is damaged or was changed",
    promise: "A package needs nothing else",
    file: "packaging/install.sh",
    tests: ["tests/packaging/install_script_test.ts"],
    filter: "is damaged or does not run",
    from: '  get "$archive"\n  check_sum\n',
    to: '  get "$archive"\n',
  },
  {
    name: "trace: a handler has the place of the event, not one of its own",
    ...trace,
    from: "TRACEPARENT: childOf(parent, newSpanId()),",
    to: "TRACEPARENT: String(traces[0]!.traceparent),",
  },
  {
    name: "trace: events of several traces have the first one in common",
    ...trace,
    from: "if (first === undefined || others.length > 0 || parent === undefined) return env;",
    to: "if (first === undefined || parent === undefined) return env;",
  },
  {
    name: "trace: a handler inherits the state of the consumer's trace",
    ...trace,
    from: "  const { TRACESTATE: _, ...rest } = env;\n",
    to: "  const rest = env;\n",
  },
  {
    name: "trace: an id of zeros is one",
    ...trace,
    from: 'return /^0+$/.test(id) ? "0000000000000001" : id;',
    to: "return id;",
  },
  {
    name: "history: a row is stored though nothing has changed",
    ...history,
    from: "if (!always && !this.#isFirst && !counts(measured) && isSame(gauges, this.#gauges)) {",
    to: "if (!always && !this.#isFirst && false) {",
  },
  {
    name: "history: what was counted is counted again in the next row",
    ...history,
    from: "    measured.accept();\n",
    to: "",
  },
  {
    name: "history: takes what is left of a full disk",
    ...history,
    from: "if (file === undefined || isFull()) return;",
    to: "if (file === undefined) return;",
  },
  {
    name: "history: a failure is told at each minute",
    promise: "Nothing is swallowed",
    file: history.file,
    tests: history.tests,
    from: "if (!this.#hasFailed) this.#options.log.failed(error);",
    to: "this.#options.log.failed(error);",
  },
  {
    name: "history: runs on when nothing happens",
    promise: "20. Idle costs nothing",
    file: history.file,
    tests: history.tests,
    from: "      this.#cancel = undefined;\n      this.#store();",
    to: "      this.#cancel = undefined;\n      this.#store();\n      this.note();",
  },
];
