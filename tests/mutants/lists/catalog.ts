/** Sabotages of what nodes that share a state learn of each other, and of what they compare. */
import type { Mutant } from "../mutant.ts";

const LEARNED = "SCALE.md 5: what one node changes of the catalog, the others know";
const BOTH = "docs/errors.md: state/stale: another process changed the same at the same moment";
const CHECKED = "4.2 A schema registered on one node is checked by all";
const REMOVED = "A topic is removed together with its events";

const CATALOG = [
  "tests/core/broker/shared_catalog_test.ts",
  "tests/core/broker/catalog_crossing_test.ts",
];
const CROSSING = ["tests/core/broker/schema_crossing_test.ts"];
const POSTGRES = ["tests/system/postgres/catalog_test.ts"];
const APPENDS = ["tests/system/postgres/append_under_test.ts"];
const AGAIN = ["tests/core/store/postgres/append_again_test.ts"];

const LOCK = `  IF cardinality(t_name) = 1 THEN
    PERFORM 1 FROM evs.topics WHERE name = t_name[1] FOR UPDATE;
  END IF;
`;
/** What locks several topics, or new ones. */
const LOCKS = `  IF cardinality(t_name) <> 1 OR NOT FOUND THEN
    INSERT INTO evs.topics (name)
      SELECT u.name FROM unnest(t_name) AS u (name)
      WHERE NOT EXISTS (SELECT 1 FROM evs.topics AS o WHERE o.name = u.name)
      ORDER BY u.name
      ON CONFLICT DO NOTHING;
    PERFORM 1 FROM evs.topics WHERE name = ANY (t_name) ORDER BY topic_id FOR UPDATE;
  END IF;
`;
/** Its two comments, and what follows up to the end of the comparison. */
const COMPARE =
  `  -- Behind the lock: a topic that is removed meanwhile is removed with these events, or before them.
  -- A statement of its own: without a state in this database, there are no such tables.
  IF t_rev IS NOT NULL THEN
    IF EXISTS (
      SELECT 1 FROM generate_subscripts(t_name, 1) AS i
      WHERE t_rev[i] IS NOT NULL AND t_rev[i] IS DISTINCT FROM
        (SELECT o.rev FROM evs.topic_options AS o WHERE o.name = t_name[i])
    ) OR p_schemas <> (SELECT c.rev FROM evs.counters AS c WHERE c.name = 'schemas') THEN
      RETURN '{"stale":true}';
    END IF;
    IF given IS NOT NULL THEN
      SELECT array_agg(s.topic || sep || s.id) INTO waiting FROM evs.scheduled AS s
      WHERE s.topic = ANY (t_name) AND s.id = ANY (ids);
    END IF;
  END IF;
`;

export const catalogMutants: Mutant[] = [
  {
    name: "shared catalog: a node retries no dead letter of a subscription that is news to it",
    promise: LEARNED,
    file: "core/dead_letter/dead_letters.ts",
    from: "      await subscriptions.learnOf(names);\n",
    to: "",
    tests: ["tests/core/broker/shared_catalog_test.ts"],
    filter: "are sent again",
  },
  {
    name: "shared catalog: a node imports nothing of a subscription that is news to it",
    promise: LEARNED,
    file: "core/dead_letter/importer.ts",
    from: "      await this.#subscriptions.learnOf(names);\n",
    to: "",
    tests: ["tests/core/broker/shared_catalog_test.ts"],
    filter: "are sent again",
  },
  {
    name: "shared jobs: a step fails for a subscription that is news to its node",
    promise: LEARNED,
    file: "core/dead_letter/job_step.ts",
    from:
      "  await context.subscriptions.learnOf(keys.map(({ subscription }) => job.to ?? subscription));\n",
    to: "",
    tests: ["tests/core/dead_letter/shared_jobs_test.ts"],
    filter: "learns of a subscription",
  },
  {
    name: "catalog: names no rev of the topic that it changes",
    promise: BOTH,
    file: "core/topic/catalog.ts",
    from: "return this.#context.shared ? { before: rev } : {};",
    to: "return this.#context.shared ? {} : { before: rev };",
    tests: CATALOG,
  },
  {
    name: "catalog: makes a topic whether another node has made it or not",
    promise: BOTH,
    file: "core/topic/catalog.ts",
    from: '{ op: "topic.put", record, before: "none" }',
    to: '{ op: "topic.put", record }',
    tests: CATALOG,
  },
  {
    name: "catalog: names no rev of the subscription that it changes",
    promise: BOTH,
    file: "core/delivery/manager.ts",
    from: "return this.#context.shared ? { before: rev } : {};",
    to: "return this.#context.shared ? {} : { before: rev };",
    tests: CATALOG,
  },
  {
    name: "catalog: decides on a subscription by the driver of before",
    promise: LEARNED,
    file: "core/delivery/manager.ts",
    from: "return this.#context.shared ? this.require(driver.record.name) : driver;",
    to: "return driver;",
    tests: CATALOG,
  },
  {
    name: "catalog: stores schemas whatever others have registered",
    promise: BOTH,
    file: "core/broker/schema_gate.ts",
    from: "{ revs: { before: this.rev, rev: newRev() } }",
    to: "{}",
    tests: CATALOG,
  },
  {
    name: "catalog: forgets what was stored while it was read",
    promise: LEARNED,
    file: "core/broker/shared_catalog.ts",
    from: "const now = () => withCatalogChanges(read, this.#kept.slice(before));",
    to: "const now = () => read;",
    tests: CATALOG,
  },
  {
    name: "catalog: takes a read that is under way for one that begins now",
    promise: LEARNED,
    file: "core/broker/shared_catalog.ts",
    from: "if (this.#next) return this.#next;",
    to: "if (this.#isReading) return this.#last;",
    tests: CATALOG,
  },
  {
    name: "catalog: hears of no change",
    promise: LEARNED,
    file: "core/broker/shared_catalog.ts",
    from: "this.#stopListening = shared.onCatalog(() => this.#refreshSoon());",
    to: "this.#stopListening = shared.onCatalog(() => {});",
    tests: CATALOG,
  },
  {
    name: "catalog: lets payloads meet schemas that are not compiled",
    promise: CHECKED,
    file: "core/broker/schema_gate.ts",
    from: "const entry = compiled.find((one) => one.record === record);",
    to: "const entry = compiled.find(() => false);",
    tests: CROSSING,
  },
  {
    name: "recheck: takes a version that was the highest for one that was given",
    promise: CHECKED,
    file: "core/broker/earlier_versions.ts",
    from: "return change ? change.latest.get(type) : now;",
    to: "return now;",
    tests: CROSSING,
  },
  {
    name: "recheck: lets through what it cannot check",
    promise: CHECKED,
    file: "core/broker/recheck.ts",
    from: "    checkAgain(request, { under, gate });\n",
    to: "",
    tests: CROSSING,
  },
  {
    name: "recheck: looks at what it knows already",
    promise: CHECKED,
    file: "core/broker/recheck.ts",
    from: "    await context.shared.refresh();\n",
    to: "",
    tests: CROSSING,
  },
  {
    name: "append: takes a topic that another node made for what it expected",
    promise: CHECKED,
    file: "core/broker/event_writer.ts",
    from: "under.topic === UNKNOWN && !this.#context.topics.isLearned(record)",
    to: "under.topic === UNKNOWN",
    tests: CROSSING,
  },
  {
    name: "append: checks under what holds when it is sent",
    promise: CHECKED,
    file: "core/broker/event_writer.ts",
    from: "request.under ??= this.under(request.topic)!;",
    to: "request.under = this.under(request.topic)!;",
    tests: CROSSING,
  },
  {
    name: "journal: tells of an event that was refused as if its expectation had failed",
    promise: CHECKED,
    file: "core/store/journal.ts",
    from:
      "if (!outcome.ok && outcome.refused !== undefined) return refuse(waiting, outcome.refused);",
    to: "",
    tests: CROSSING,
  },
  {
    name: "journal: merges what can be refused one by one",
    promise: CHECKED,
    file: "core/store/journal.ts",
    from: "group || mergesItself",
    to: "group",
    tests: CROSSING,
  },
  {
    name: "append: drops an event that is refused, and says nothing",
    promise: CHECKED,
    file: "core/store/postgres/append_again.ts",
    from: "      rest.refused.set(place, { ...none, refused });\n",
    to: "",
    tests: AGAIN,
  },
  {
    name: "append: stores the rest of a group of which one event is refused",
    promise: CHECKED,
    file: "core/store/postgres/append_again.ts",
    from: "    if (first) errors.fill(first, from, to);\n",
    to: "",
    tests: AGAIN,
  },
  {
    name: "postgres: compares no rev of the topic of events",
    promise: CHECKED,
    file: "core/store/postgres/append_function.ts",
    from: "WHERE t_rev[i] IS NOT NULL AND t_rev[i] IS DISTINCT FROM",
    to: "WHERE false AND t_rev[i] IS DISTINCT FROM",
    tests: APPENDS,
  },
  {
    name: "postgres: compares no rev of the schemas of events",
    promise: CHECKED,
    file: "core/store/postgres/append_function.ts",
    from: "p_schemas <> (SELECT c.rev FROM evs.counters AS c WHERE c.name = 'schemas')",
    to: "false",
    tests: APPENDS,
  },
  {
    name: "postgres: compares before it waits for the topic",
    promise: CHECKED,
    file: "core/store/postgres/append_function.ts",
    from: `${LOCK}${LOCKS}${COMPARE}`,
    to: `${COMPARE}${LOCK}${LOCKS}`,
    tests: APPENDS,
  },
  {
    name: "postgres: compares no rev of a topic that is changed",
    promise: BOTH,
    file: "core/state/postgres/catalog_changes.ts",
    from: "LEFT JOIN evs.topic_options AS there ON there.name = asked.name\n      WHERE there.rev",
    to: "LEFT JOIN evs.topic_options AS there ON there.name = asked.name\n      WHERE asked.rev",
    tests: POSTGRES,
  },
  {
    name: "postgres: waits for nobody who changes the catalog",
    promise: BOTH,
    file: "core/state/postgres/catalog_changes.ts",
    from: "    UPDATE evs.counters SET rev = rev + 1 WHERE name = 'catalog';\n",
    to: "",
    tests: POSTGRES,
  },
  {
    name: "postgres: compares no rev of the schemas that are changed",
    promise: BOTH,
    file: "core/state/postgres/catalog_changes.ts",
    from: "WHERE name = 'schemas' AND rev = schemas_before;",
    to: "WHERE name = 'schemas';",
    tests: POSTGRES,
  },
  {
    name: "postgres: removes a topic and leaves its events",
    promise: REMOVED,
    file: "core/state/postgres/changes.ts",
    from:
      "    if (events) batches.run([table.TOPICS], REMOVE_EVENTS, [name, Number.MAX_SAFE_INTEGER]);\n",
    to: "",
    tests: POSTGRES,
  },
  {
    name: "retention: a pass goes by subscriptions and options of before",
    promise: LEARNED,
    file: "core/broker/retention.ts",
    from: "    if (shared) await shared.refresh();\n    for (const record",
    to: "    if (shared) await Promise.resolve();\n    for (const record",
    tests: ["tests/core/broker/shared_catalog_test.ts"],
    filter: "retention keeps",
  },
  {
    name: "retention: truncates at once by subscriptions of before",
    promise: LEARNED,
    file: "core/broker/retention.ts",
    from: "    await shared.refresh();\n    const record",
    to: "    const record",
    tests: ["tests/core/broker/shared_catalog_test.ts"],
    filter: "truncated at once",
  },
  {
    name: "catalog: registers by what was so before others changed it",
    promise: BOTH,
    file: "core/broker/schema_gate.ts",
    from: `    const revs = this.#revs();
    const plans = await this.schemas.plan(requests);
    if (dryRun) return plans;`,
    to: `    const plans = await this.schemas.plan(requests);
    const revs = this.#revs();
    if (dryRun) return plans;`,
    tests: ["tests/core/broker/catalog_crossing_test.ts"],
    filter: "a schema is compared",
  },
  {
    name: "catalog: takes back a level that others have set",
    promise: BOTH,
    file: "core/broker/schema_gate.ts",
    from: "if (changes.length === 0) return plans;",
    to: "",
    tests: ["tests/core/broker/catalog_crossing_test.ts"],
    filter: "a schema that is registered again",
  },
  {
    name: "catalog: keeps a subscription in whose place another one is stored",
    promise: BOTH,
    file: "core/delivery/manager.ts",
    from:
      "if (record.rev !== undefined && this.#drivers.get(name)?.record.rev === record.rev) return;",
    to: "if (this.#drivers.get(name)) return;",
    tests: ["tests/core/broker/catalog_crossing_test.ts"],
    filter: "takes the place",
  },
  {
    name: "catalog: keeps a topic in whose place another one is stored",
    promise: BOTH,
    file: "core/topic/catalog.ts",
    from: "if (this.#topics.get(name)?.rev !== rev) this.#topics.set(name, record);",
    to: "",
    tests: ["tests/core/broker/catalog_crossing_test.ts"],
    filter: "takes the place",
  },
  {
    name: "catalog: a node stores what it takes for a step of the clock, for all",
    promise: BOTH,
    file: "core/broker/expiry_clock.ts",
    from: "if (!this.#context.isShared && (isLate",
    to: "if ((isLate",
    tests: ["tests/core/broker/expiry_test.ts"],
    filter: "nodes share",
  },
  {
    name: "catalog: a node goes by the clock of a process that was alone",
    promise: BOTH,
    file: "core/broker/expiry_clock.ts",
    from: "context.isShared ? undefined : snapshot.expiryClock",
    to: "snapshot.expiryClock",
    tests: ["tests/core/broker/expiry_test.ts"],
    filter: "nodes shared",
  },
];
