/** Sabotages of the broker: publishing, retention, redaction, topics. */
import type { Mutant } from "../mutant.ts";

const CONFLICT = "Concurrent writers of one version conflict";
const NO_GAPS = "4. Sequence numbers have no gaps";
const AT_LEAST_ONCE = "5. At least once";
const LIMITS = "docs/configuration.md: --max-events, --max-bytes and --retention of a topic";
const UNCONSUMED =
  "docs/operating.md: retention waits for every event that some named subscription has not finished";
const CHECKED = "docs/operating.md: payloads are checked against the schema before they are stored";
const REDACTED = "33. Redacted is gone";
const CAUSE = "Events published by a handler name their cause";

const EVENT_BROKER = "tests/core/broker/event_broker_test.ts";
const RETENTION_RULE = "tests/core/store/retention_rule_test.ts";
const CONSUMPTION = "tests/core/store/consumption_test.ts";
const RETENTION = "tests/core/broker/retention_test.ts";
const KNOWN_ENDS = "tests/core/broker/known_ends_test.ts";
const REDACT = "tests/core/broker/redact_test.ts";
const CATALOG = "tests/core/topic/catalog_test.ts";
const TOPIC_OPTIONS = "tests/core/event/topic_options_test.ts";
const CAUSATION = "tests/core/event/causation_test.ts";

export const brokerMutants: Mutant[] = [
  {
    name: "writer: takes an expectation where nothing is stored",
    promise: CONFLICT,
    file: "core/broker/event_writer.ts",
    from:
      "    refuseExpected(request.expected);\n    return this.#context.dispatcher.handOn(request);",
    to: "    return this.#context.dispatcher.handOn(request);",
    tests: [EVENT_BROKER],
    filter: "keeps nothing of a topic",
  },
  {
    name: "publisher: a repeat gets the seq of another event",
    promise: "1. Acknowledged means durable",
    file: "core/broker/publisher.ts",
    from: "    const seq = duplicates[0]?.seq ?? firstSeq;",
    to: "    const seq = firstSeq;",
    tests: [EVENT_BROKER],
    filter: "stores a given id once",
  },
  {
    name: "publisher: gives seqs to events that are not stored",
    promise: NO_GAPS,
    file: "core/broker/publisher.ts",
    from: "seq: repeats.get(index) ?? (next === 0 ? 0 : next++),",
    to: "seq: repeats.get(index) ?? next++,",
    tests: [EVENT_BROKER],
    filter: "keeps nothing of a topic",
  },
  {
    name: "publisher: an event beyond the size limit is stored",
    promise: "16. An oversized event is refused before it is buffered",
    file: "core/broker/publisher.ts",
    from:
      "    assertEventSize({ ...captured, id: split.id }, this.#context.maxEventBytes);\n    return captured;",
    to:
      "    assertEventSize({ ...captured, id: split.id }, 2 * this.#context.maxEventBytes);\n    return captured;",
    tests: [EVENT_BROKER],
    filter: "no event above the limit",
  },
  {
    name: "publisher: a batch ignores what it expects",
    promise: CONFLICT,
    file: "core/broker/publisher.ts",
    from:
      "    const outcome = await this.#context.writer.append({ topic, events, expected });\n    const done",
    to:
      '    const outcome = await this.#context.writer.append({ topic, events, expected: expected && "any" });\n    const done',
    tests: [EVENT_BROKER],
    filter: "stores all that was expected",
  },
  {
    name: "expectation: a failed expectation counts as stored",
    promise: CONFLICT,
    file: "core/broker/expectation.ts",
    from: "  if (outcome.ok) return outcome;",
    to:
      '  if (outcome.ok || outcome.subject === "topic") return outcome as Extract<AppendOutcome, { ok: true }>;',
    tests: [EVENT_BROKER],
    filter: "failed expectation",
  },
  {
    name: "publish all: seqs are those of another topic",
    promise: "All or nothing over several topics",
    file: "core/broker/publish_all.ts",
    from: "stored[request]![index]!);",
    to: "stored[0]![Math.min(index, stored[0]!.length - 1)] ?? stored[request]![index]!);",
    tests: ["tests/core/broker_suite/memory_test.ts"],
  },
  {
    name: "dispatcher: a throwing tail stops the others",
    promise: "A failing handler affects nobody else",
    file: "core/broker/commit_dispatcher.ts",
    from: '        onError(error, "a live tail");',
    to: '        onError(error, "a live tail");\n        break;',
    tests: [EVENT_BROKER],
    filter: "survives one that throws",
  },
  {
    name: "dispatcher: handlers of this process get an unstored event twice",
    promise: AT_LEAST_ONCE,
    file: "core/broker/commit_dispatcher.ts",
    from: "(driver: SubscriptionDriver) => locals.has(driver)",
    to: "(driver: SubscriptionDriver) => locals.has(driver) && false",
    tests: [EVENT_BROKER],
    filter: "to a handler once",
  },
  {
    name: "retention: the last event that limits keep is deleted",
    promise: LIMITS,
    file: "core/store/retention_rule.ts",
    from: "head.lastSeq - options.maxEvents + 1);",
    to: "head.lastSeq - options.maxEvents + 2);",
    tests: [RETENTION_RULE],
  },
  {
    name: "retention: the size limit is ignored",
    promise: LIMITS,
    file: "core/store/retention_rule.ts",
    from: "options.maxBytes > 0 && head.bytes > options.maxBytes",
    to: "options.maxBytes > 0 && head.bytes < options.maxBytes",
    tests: [RETENTION_RULE],
  },
  {
    name: "retention: deletes what is unconsumed",
    promise: UNCONSUMED,
    file: "core/store/consumption.ts",
    from: "  const allowed = isHeld ? consumed : limited;",
    to: "  const allowed = limited;",
    tests: [CONSUMPTION],
  },
  {
    name: "retention: goes by the subscription that got furthest",
    promise: UNCONSUMED,
    file: "core/store/consumption.ts",
    from: "Math.min(lowest, next), Infinity)",
    to: "Math.max(lowest, next), 0)",
    tests: [CONSUMPTION],
  },
  {
    name: "retention: a topic without subscriptions drops what is consumed",
    promise: UNCONSUMED,
    file: "core/store/consumption.ts",
    from: "  const consumed = progress.length === 0\n    ? firstSeq",
    to: "  const consumed = progress.length === 0\n    ? lastSeq + 1",
    tests: [CONSUMPTION],
  },
  {
    name: "retention: what ephemeral subscriptions have done counts",
    promise: UNCONSUMED,
    file: "core/delivery/progress.ts",
    from: "  return ledger.lasts && !record.name.startsWith(UNNAMED);",
    to: "  return ledger.lasts || record.name.startsWith(UNNAMED);",
    tests: [RETENTION],
  },
  {
    name: "retention: subscriptions are not told what it deleted",
    promise: AT_LEAST_ONCE,
    file: "core/broker/retention.ts",
    from: "    for (const driver of this.#context.subscriptions.of(name)) driver.look();\n",
    to: "",
    tests: [RETENTION],
  },
  {
    name: "retention: a topic far above its limit waits for the next pass",
    promise: LIMITS,
    file: "core/broker/retention.ts",
    from: "record.options.maxEvents * SLACK) return;",
    to: "record.options.maxEvents * SLACK * 1e9) return;",
    tests: [RETENTION],
  },
  {
    name: "held topics: a topic is held since the last pass",
    promise: "docs/operating.md: for how long events past the limits wait",
    file: "core/broker/held_topics.ts",
    from: "this.#topics.get(topic)?.since ?? this.#clock.monotonic();",
    to: "this.#clock.monotonic();",
    tests: [RETENTION],
  },
  {
    name: "known ends: a cursor does not remember an end",
    promise: NO_GAPS,
    file: "core/broker/known_ends.ts",
    from: "  for (const { topic, next } of cursors) add(topic, next - 1);\n",
    to: "  for (const { topic, next } of cursors) add(topic, next - 2);\n",
    tests: [KNOWN_ENDS],
    filter: "knownEnds",
  },
  {
    name: "known ends: an end that is one short is not missing",
    promise: "27. Missing files are noticed",
    file: "core/broker/known_ends.ts",
    from: "head.lastSeq < lastSeq) lost.push",
    to: "head.lastSeq < lastSeq - 1) lost.push",
    tests: [KNOWN_ENDS],
    filter: "lostEnds names",
  },
  {
    name: "schema gate: a topic that requires a schema takes types without one",
    promise: CHECKED,
    file: "core/broker/schema_gate.ts",
    from: '      if (mode === "validate") return version ?? "1.0";',
    to: '      if (mode !== "off") return version ?? "1.0";',
    tests: [EVENT_BROKER],
    filter: "checks payloads by schema",
  },
  {
    name: "schema gate: stores a payload with one fault",
    promise: CHECKED,
    file: "core/broker/schema_gate.ts",
    from: "verdict.faults.length === 0) return",
    to: "verdict.faults.length <= 1) return",
    tests: [EVENT_BROKER],
    filter: "checks payloads by schema",
  },
  {
    name: "schema gate: the last schema of a topic that requires one can be removed",
    promise:
      "docs/operating.md: you cannot remove the last schema of a type while a topic requires one",
    file: "core/broker/schema_gate.ts",
    from: "    if (this.schemas.versions(type).length > 1) return;",
    to: "    if (this.schemas.versions(type).length > 0) return;",
    tests: [EVENT_BROKER],
    filter: "SchemaGate.remove keeps",
  },
  {
    name: "redactor: dead letters that a handler adds meanwhile keep what it said",
    promise: REDACTED,
    file: "core/broker/redactor.ts",
    from: "    await state.commit([change]);\n    await this.#redactQueue(event);",
    to: "    await this.#redactQueue(event);",
    tests: [REDACT],
    filter: "that a failure adds",
  },
  {
    name: "redactor: the store keeps the event",
    promise: REDACTED,
    file: "core/broker/redactor.ts",
    from: "    if (canRedact(store, topic)) await store.redact!(topic, { seq, id, ...content });\n",
    to: "",
    tests: [REDACT],
  },
  {
    name: "redactor: what was removed from the state stays in its file",
    promise: REDACTED,
    file: "core/broker/redactor.ts",
    from: "    await state.scrub?.();\n",
    to: "",
    tests: [REDACT],
  },
  {
    name: "redactor: acts before its intent is stored",
    promise: REDACTED,
    file: "core/broker/redactor.ts",
    from:
      '    if (!before) {\n      await state.commit([{ op: "redaction.put", record }, ...auditedRedaction(record, how)]);\n    }\n',
    to: "",
    tests: [REDACT],
  },
  {
    name: "redactor: an interrupted redaction is not finished",
    promise: REDACTED,
    file: "core/broker/redactor.ts",
    from: "        await this.#inTurn(() => this.#execute(record));",
    to: "        await this.#inTurn(() => Promise.resolve(record));",
    tests: [REDACT],
  },
  {
    name: "redacted events: another event of the id counts as redacted",
    promise: REDACTED,
    file: "core/state/redactions.ts",
    from: "    return record?.done && storedRedactionOf(event) === undefined ? undefined : record;",
    to: "    return record;",
    tests: ["tests/core/broker/redact_same_id_test.ts"],
  },
  {
    name: "redaction: the key stays",
    promise: REDACTED,
    file: "core/event/redaction.ts",
    from: "  return { ...redacted, key, ...keySeq",
    to: "  return { ...redacted, key: event.key, ...keySeq",
    tests: [REDACT],
  },
  {
    name: "redacted events: attempts keep what the handler printed",
    promise: REDACTED,
    file: "core/state/redactions.ts",
    from: "stderr: _stderr, stack: _stack,",
    to: "stack: _stack,",
    tests: [REDACT],
  },
  {
    name: "catalog: a topic is there before it is durable",
    promise: "3. A power cut loses nothing acknowledged",
    file: "core/topic/catalog.ts",
    from: "    if (pending) return pending;\n    const record",
    to: "    const record",
    tests: [CATALOG],
    filter: "makes a topic once",
  },
  {
    name: "catalog: a topic can move to another store",
    promise: "docs/operating.md: a topic's store is fixed when it is created",
    file: "core/topic/catalog.ts",
    from: "changed.store !== undefined && changed.store !== before.options.store",
    to: "changed.store !== undefined && before.options.store === undefined",
    tests: [CATALOG],
    filter: "moves no topic",
  },
  {
    name: "topic options: * matches several segments",
    promise: "docs/cookbook.md: * is one segment of a name, ** any number",
    file: "core/event/topic_options.ts",
    from: '    if (segment === "**") {',
    to: '    if (segment === "**" || segment === "*") {',
    tests: [TOPIC_OPTIONS],
  },
  {
    name: "topic options: a name may lead to the parent folder",
    promise: "24. Names never become paths",
    file: "core/event/topic_options.ts",
    from: '  if (name === "." || name === "..") return "is reserved";\n',
    to: "",
    tests: [TOPIC_OPTIONS],
    filter: "says what is wrong and where",
  },
  {
    name: "causation: an event of a handler starts a new correlation",
    promise: CAUSE,
    file: "core/event/causation.ts",
    from: '    correlationId: typeof correlation === "string" ? correlation : event.id,',
    to: "    correlationId: event.id,",
    tests: [CAUSATION],
  },
  {
    name: "causation: replaces what the publisher gave",
    promise: CAUSE,
    file: "core/event/causation.ts",
    from: "{ ...causedBy(cause), ...metadata };",
    to: "{ ...metadata, ...causedBy(cause) };",
    tests: [CAUSATION],
  },
  {
    name: "retention: one pass deletes too little",
    promise:
      "docs/operating.md: events that all named subscriptions have finished are deleted in small steps",
    file: "core/broker/retention.ts",
    from: "    for (let to = from; to < keep;) {",
    to: "    for (let to = from, once = true; once; once = false) {",
    tests: [RETENTION],
    filter: "more than one step",
  },
];
