/** Mutants of the daemon behind its server: what routes take, lines, alerts, the disk, heartbeats. */
import type { Mutant } from "../mutant.ts";

const HIDDEN = "16. An oversized event is refused before it is buffered";
const BYTES = "11. Bytes in are bytes out";
const ANSWER = "Every request gets an answer";
const SLOW = "15. A slow reader slows no one else";
const FULL = "8. A full disk is reported, and the daemon recovers";
const ONCE = "5. At least once";
const METRICS = "Metrics stay few";

const shape = {
  promise: ANSWER,
  file: "daemon/http/shape.ts",
  tests: ["tests/daemon/http/shape_test.ts"],
};
const router = {
  promise: ANSWER,
  file: "daemon/http/router.ts",
  tests: ["tests/daemon/http/router_test.ts"],
};
const lines = {
  file: "daemon/ingest/ndjson.ts",
  tests: ["tests/daemon/ingest/ndjson_test.ts"],
};
const decode = {
  file: "daemon/ingest/decode_event.ts",
  tests: ["tests/daemon/ingest/decode_event_test.ts"],
};
const alerts = {
  promise: "the status, health and the metrics tell of what is past the limits in [alert]",
  file: "daemon/alerts.ts",
  tests: ["tests/daemon/alerts_test.ts"],
  filter: "alertsOf",
};
const disk = {
  promise: FULL,
  file: "daemon/disk_space.ts",
  tests: ["tests/daemon/disk_space_test.ts"],
  filter: "DiskSpace",
};
const heartbeat = {
  promise: "31. The daemon is found, and commands never hang",
  file: "daemon/http/heartbeat.ts",
  tests: ["tests/daemon/http/heartbeat_test.ts"],
  filter: "Heartbeat",
};
const sse = {
  promise: SLOW,
  file: "daemon/http/sse.ts",
  tests: ["tests/daemon/http/sse_test.ts"],
};
const departed = {
  promise: ONCE,
  file: "daemon/http/departed_consumers.ts",
  tests: ["tests/daemon/http/departed_consumers_test.ts"],
};
const slots = {
  promise: METRICS,
  file: "daemon/label_slots.ts",
  tests: ["tests/daemon/label_slots_test.ts"],
};

export const daemonMutants: Mutant[] = [
  {
    name: "query: a parameter that the route does not have is taken",
    ...shape,
    from: "      throw unknownName(place, { known: Object.keys(parameters) });\n",
    to: "      continue;\n",
  },
  {
    name: "query: a parameter may come twice",
    ...shape,
    from: 'if (times > 1 && !repeats) throw misfit(place, "is given twice");',
    to: "",
  },
  {
    name: "query: one more repeat than the limit is taken",
    ...shape,
    from: "if (times > most) throw",
    to: "if (times > most + 1) throw",
  },
  {
    name: "query: a parameter that is required may be left out",
    ...shape,
    from: "if (!parameterOf(parameter).required || seen.has(name)) continue;",
    to: "if (parameterOf(parameter).required || seen.has(name)) continue;",
  },
  {
    name: "query: a parameter is known if any object has its name",
    ...shape,
    from: "if (!Object.hasOwn(parameters, name)) {",
    to: "if (!(name in parameters)) {",
  },
  {
    name: "shape: a whole number of one more than its limit is taken",
    ...shape,
    from: "(value as number) <= high,",
    to: "(value as number) <= high + 1,",
  },
  {
    name: "shape: a number beyond 2^53 is a whole number",
    ...shape,
    from: "Number.isSafeInteger(value) && (value",
    to: "Number.isInteger(value) && (value",
  },
  {
    name: "shape: anything is a number that JavaScript takes for one",
    ...shape,
    from: "/^\\d{1,16}$/.test(value) ? Number(value) : value",
    to: 'value.trim() !== "" && !Number.isNaN(Number(value)) ? Number(value) : value',
  },
  {
    name: "shape: a field that is not known is taken",
    ...shape,
    from: "        throw unknownName(within(name), { known: names });\n",
    to: "",
  },
  {
    name: "shape: a field that is required may be left out",
    ...shape,
    from: "if (value[name] !== undefined) continue;",
    to: "continue;",
  },
  {
    name: "shape: a list may be longer than its limit",
    ...shape,
    from: "if (most !== undefined && value.length > most) {",
    to: "if (most !== undefined && value.length > most + 1) {",
  },
  {
    name: "router: an empty segment is a name",
    ...router,
    from:
      'if (expected !== parts[i] && (!expected.startsWith("{") || parts[i] === "")) return false;',
    to: 'if (expected !== parts[i] && !expected.startsWith("{")) return false;',
  },
  {
    name: "router: a path is split once more when it is decoded",
    promise: "24. Names never become paths",
    file: router.file,
    tests: router.tests,
    from: 'const parts = path.split("/").map(decodePart);',
    to: 'const parts = decodePart(path).split("/");',
  },
  {
    name: "router: a path with a parameter comes before a literal one",
    ...router,
    from: ".sort((a, b) => parametersOf(a.parts) - parametersOf(b.parts));",
    to: ".sort((a, b) => parametersOf(b.parts) - parametersOf(a.parts));",
  },
  {
    name: "router: a body in pieces may be longer than the limit",
    promise: HIDDEN,
    file: router.file,
    tests: router.tests,
    from: "if (whole.length + chunk.length > limit) throw tooLong(limit);",
    to: "if (whole.length > limit) throw tooLong(limit);",
  },
  {
    name: "router: a body in one piece may be longer than the limit",
    promise: HIDDEN,
    file: "daemon/http/request.ts",
    tests: router.tests,
    from: "return isOne && this.#pieces[0]!.length <= most ? this.take() : undefined;",
    to: "return isOne ? this.take() : undefined;",
  },
  {
    name: "router: bytes that are no UTF-8 are read as something else",
    promise: BYTES,
    file: router.file,
    tests: router.tests,
    from: 'new TextDecoder("utf-8", { fatal: true }).decode(bytes);',
    to: 'new TextDecoder("utf-8").decode(bytes);',
  },
  {
    name: "router: a body may be any JSON",
    ...router,
    from: "  if (isJsonObject(value)) return value;\n",
    to: '  if (typeof value === "object") return value as Record<string, unknown>;\n',
  },
  {
    name: "lines: a line of one byte more than the limit is taken",
    promise: HIDDEN,
    ...lines,
    filter: "over the limit",
    from: "    if (bytes.length > this.#limit) {",
    to: "    if (bytes.length > this.#limit + 1) {",
  },
  {
    name: "lines: what is too long is kept until its end",
    promise: HIDDEN,
    ...lines,
    filter: "over the limit",
    from: "    if (this.#rest.length + part.length > this.#limit) {",
    to: "    if (this.#rest.length + part.length > 100 * this.#limit) {",
  },
  {
    name: "lines: what follows a line that is too long has its number",
    promise: BYTES,
    ...lines,
    filter: "over the limit",
    from: "      this.#skipping = false;\n      this.#number++;",
    to: "      this.#skipping = false;",
  },
  {
    name: "lines: bytes that are no UTF-8 become other ones",
    promise: BYTES,
    ...lines,
    filter: "not UTF-8",
    from: 'new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });',
    to: 'new TextDecoder("utf-8", { ignoreBOM: true });',
  },
  {
    name: "lines: more is looked at after the reading has ended",
    promise: BYTES,
    ...lines,
    filter: "the sink ends",
    from: "while (start < block.length && !this.#ended) {",
    to: "while (start < block.length) {",
  },
  {
    name: "decode: a member may be there twice",
    promise: BYTES,
    ...decode,
    from: "    if (seen.has(member.name)) {",
    to: '    if (seen.has(member.name) && member.name === "") {',
  },
  {
    name: "decode: a member that is not known is dropped",
    promise: ANSWER,
    ...decode,
    from: "if (!ENVELOPE.includes(member.name) && !others.includes(member.name)) {",
    to: 'if (member.name === "") {',
  },
  {
    name: "decode: an id that was given counts as one that was made",
    promise: "A publisher survives a restart of the daemon",
    ...decode,
    from:
      "      id: id ?? this.#context.nextId(now),\n      idGiven: id !== undefined,\n      type: given.type,",
    to:
      "      id: id ?? this.#context.nextId(now),\n      idGiven: false,\n      type: given.type,",
  },
  {
    name: "decode: the ids of a batch are all the same",
    promise: "A published stream survives a restart of the daemon",
    ...decode,
    from: "`${idPrefix}-${line}`",
    to: "`${idPrefix}-1`",
  },
  {
    name: "decode: a key is a rounded number",
    promise: "30. Numbers keep their exact value",
    ...decode,
    from: "return assertName(pointerText(text, keyPointer)!,",
    to: "return assertName(String(found),",
  },
  {
    name: "decode: line breaks of a payload stay",
    promise: BYTES,
    ...decode,
    from: "return bytes.map((byte) => byte === LF || byte === CR ? SPACE : byte);",
    to: "return bytes;",
  },
  {
    name: "decode: a scheduled event among others is published now",
    promise: "A scheduled event is published once",
    ...decode,
    from: "  if (given.schedule === undefined) return given;\n",
    to: "  if (given.schedule !== null) return given;\n",
  },
  {
    name: "decode: the size of a bare payload is not looked at",
    promise: HIDDEN,
    ...decode,
    from:
      "    const payload = onOneLine(source.bytes);\n    assertEventSize({ type, key, id, metadata, payload }, this.#context.maxEventBytes);",
    to: "    const payload = onOneLine(source.bytes);",
  },
  {
    name: "refused lines: all of them are listed",
    promise: HIDDEN,
    file: "daemon/ingest/refused_lines.ts",
    tests: decode.tests,
    filter: "RefusedLines",
    from: "if (this.listed.length < LISTED)",
    to: "if (this.listed.length <= LISTED)",
  },
  {
    name: "publish: a connection is read on whatever is not durable yet",
    promise: "A stream stays small in memory",
    file: "daemon/routes/publish_lines.ts",
    tests: ["tests/daemon/http/in_flight_test.ts"],
    from: "return own > MAX_IN_FLIGHT || (own > FAIR_SHARE && all > SHARED);",
    to: "return own > MAX_IN_FLIGHT;",
  },
  {
    name: "alerts: dead letters beyond their limit",
    ...alerts,
    from: "if (most > 0 && deadLetters >= most) {",
    to: "if (most > 0 && deadLetters > most) {",
  },
  {
    name: "alerts: what is in flight is not behind",
    ...alerts,
    from: "const lag = pending + leased + scheduled;",
    to: "const lag = pending + scheduled;",
  },
  {
    name: "alerts: a limit of 0 is one",
    ...alerts,
    from: "if (alertAge > 0 && age >= alertAge) {",
    to: "if (age >= alertAge) {",
  },
  {
    name: "alerts: a lease that lasts is held for too long",
    ...alerts,
    from: "if (alertLeased > 0 && ms >= alertLeased && ms > timeOut) {",
    to: "if (alertLeased > 0 && ms >= alertLeased) {",
  },
  {
    name: "alerts: a disk at its limit",
    ...alerts,
    from: "percent < alertDisk) {",
    to: "percent <= alertDisk) {",
  },
  {
    name: "disk: something is stored while room is made",
    ...disk,
    from: "    if (this.#making === 0) return;\n    throw",
    to: "    if (this.#making >= 0) return;\n    throw",
  },
  {
    name: "disk: the reserve is not given back for a deletion",
    ...disk,
    from: "      this.#options.reserve?.release();\n      const result",
    to: "      const result",
  },
  {
    name: "disk: the reserve is made again later",
    ...disk,
    from: "if (this.#making === 1) await this.#recreateReserve();",
    to: "",
  },
  {
    name: "disk: stays full until something is stored",
    ...disk,
    from: "if (this.#full && !this.#isLimited && this.#options.hasRoom()) this.stored();",
    to: "",
  },
  {
    name: "disk: each refusal is an incident of its own",
    ...disk,
    from: "if (this.#full || now - episode.last < QUIET) return this.#lookLater();",
    to: "if (this.#full) return this.#lookLater();",
  },
  {
    name: "log: a file that is full pushes out the old ones though no new one can be made",
    promise: "Nothing is swallowed",
    file: "daemon/log.ts",
    tests: ["tests/daemon/log_test.ts"],
    from:
      "    const fresh = this.#open(`${this.#path}.new`);\n    for (let n = KEPT - 1; n >= 1; n--) {\n      ifThere(() => Deno.renameSync(`${this.#path}.${n}`, `${this.#path}.${n + 1}`));\n    }",
    to:
      "    for (let n = KEPT - 1; n >= 1; n--) {\n      ifThere(() => Deno.renameSync(`${this.#path}.${n}`, `${this.#path}.${n + 1}`));\n    }\n    const fresh = this.#open(`${this.#path}.new`);",
  },
  {
    name: "log: a fact hides the message",
    promise: "Nothing is swallowed",
    file: "daemon/log.ts",
    tests: ["tests/daemon/log_test.ts"],
    from: "OF_ALL.includes(name) ? `${name}_` : name",
    to: "name",
  },
  {
    name: "daemon: a package that is missing is a bug of the daemon",
    promise: "docs/errors.md: what to type next",
    file: "daemon/http/failed_error.ts",
    tests: ["tests/e2e/first_start_test.ts"],
    filter: "a daemon says",
    from: "return missingPackage(why, { then: RESTART }) ?? error;",
    to: "return error;",
  },
  {
    name: "log: says nothing of a line that could not be written",
    promise: "Nothing is swallowed",
    file: "daemon/log.ts",
    tests: ["tests/daemon/log_test.ts"],
    from:
      '      put("error", "the log cannot be written as it should be", { error, line: text });\n',
    to: "",
  },
  {
    name: "summed log: what was added up is forgotten at the end",
    promise: "Nothing is swallowed",
    file: "daemon/summed_log.ts",
    tests: ["tests/daemon/summed_log_test.ts"],
    from: "    if (this.#gathered !== undefined) this.#tell(this.#gathered);\n",
    to: "",
  },
  {
    name: "metrics: counters of the others go back when something is removed",
    ...slots,
    from: "if (counted.get(name) !== counts) this.#forgotten(counts);",
    to: "void counts;",
  },
  {
    name: "metrics: one name more than the limit has its own",
    ...slots,
    from: "this.#own.size >= this.#limit) return false;",
    to: "this.#own.size > this.#limit) return false;",
  },
  {
    name: "metrics: what was refused five minutes ago is told",
    promise: alerts.promise,
    file: "daemon/metrics.ts",
    tests: alerts.tests,
    filter: "refusedLately",
    from: "quarter - one.quarter < LATELY);",
    to: "quarter - one.quarter <= LATELY);",
  },
  {
    name: "unnamed subscriptions: one with an event in flight is removed",
    promise: ONCE,
    file: "daemon/unnamed.ts",
    tests: ["tests/daemon/unnamed_test.ts"],
    from: "info.leased === 0 && this",
    to: "this",
  },
  {
    name: "unnamed subscriptions: one with a name is removed",
    promise: ONCE,
    file: "daemon/unnamed.ts",
    tests: ["tests/daemon/unnamed_test.ts"],
    from: "    if (!name.startsWith(UNNAMED)) return;\n",
    to: "",
  },
  {
    name: "heartbeat: none is sent while nothing happens",
    ...heartbeat,
    from: "if (this.#waiting && !this.#options.isBusy?.()) void this.ifDue();",
    to: "",
  },
  {
    name: "heartbeat: one is sent into the middle of something else",
    ...heartbeat,
    from: "if (this.#waiting && !this.#options.isBusy?.()) void this.ifDue();",
    to: "void this.ifDue();",
  },
  {
    name: "heartbeat: they pile up while the client does not read",
    ...heartbeat,
    from: "if (this.#sending || clock.monotonic()",
    to: "if (clock.monotonic()",
  },
  {
    name: "heartbeat: goes on after the end",
    promise: "20. Idle costs nothing",
    file: heartbeat.file,
    tests: heartbeat.tests,
    filter: heartbeat.filter,
    from: "  close(): void {\n    this.#cancel();",
    to: "  close(): void {",
  },
  {
    name: "server-sent events: a long id goes with every event",
    ...sse,
    from: "if (lastId <= SHORT || since >= lastId) {",
    to: "if (lastId >= 0) {",
  },
  {
    name: "server-sent events: the id is that of the event before",
    promise: ONCE,
    file: sse.file,
    tests: sse.tests,
    from: "      positions.set(event.topic, event.seq);\n      const line = toWireLine(event);",
    to:
      "      const line = toWireLine(event);\n      setTimeout(() => positions.set(event.topic, event.seq));",
  },
  {
    name: "departed consumers: leases go back while the daemon stops",
    ...departed,
    from: "    for (const cancel of this.#waiting) cancel();\n",
    to: "",
  },
];
