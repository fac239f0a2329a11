/** Sabotages of scheduled events of several nodes. They need a server, and run at nightly. */
import type { Mutant } from "../mutant.ts";

const ONCE = "A scheduled event is published once";
const FUNCTIONS = "core/state/postgres/schedule_functions.ts";
const APPEND = "core/store/postgres/append_function.ts";
const SCHEDULED = ["tests/system/postgres/scheduled_test.ts"];
const FAULTS = ["tests/system/postgres/scheduled_faults_test.ts"];

export const scheduledNodesMutants: Mutant[] = [
  {
    name: "scheduled on nodes: publishes what another node has published",
    promise: ONCE,
    file: FUNCTIONS,
    from: "IF taken < cardinality(numbers) THEN",
    to: "IF false THEN",
    tests: FAULTS,
    filter: "arrives late",
  },
  {
    name: "scheduled on nodes: publishes what was redacted since it was read",
    promise: "33. Redacted is gone",
    file: FUNCTIONS,
    from: " AND md5(s.line) = asked.sum",
    to: "",
    tests: FAULTS,
    filter: "was changed since",
  },
  {
    name: "scheduled on nodes: the row goes though the topic was changed, and nothing is published",
    promise: ONCE,
    file: FUNCTIONS,
    from: "IF answer = '{\"stale\":true}' THEN",
    to: "IF false THEN",
    tests: FAULTS,
    filter: "whose topic was changed",
  },
  {
    name: "scheduled on nodes: accepts an id that waits already",
    promise: ONCE,
    file: FUNCTIONS,
    from: `IF FOUND THEN
      answers := answers || json_build_object('waits', waits)::text;`,
    to: `IF false THEN
      answers := answers || json_build_object('waits', waits)::text;`,
    tests: SCHEDULED,
    filter: "is a repeat on another",
  },
  {
    name: "scheduled on nodes: accepts what was checked by older schemas",
    promise: "A confirmed schema holds",
    file: FUNCTIONS,
    from: "OR p_schemas <> (SELECT c.rev",
    to: "OR 0 = 1 AND p_schemas <> (SELECT c.rev",
    tests: SCHEDULED,
    filter: "a schema that another node",
  },
  {
    name: "scheduled on nodes: an id that waits is published at once",
    promise: ONCE,
    file: APPEND,
    from: "WHERE s.topic = ANY (t_name) AND s.id = ANY (ids);",
    to: "WHERE false;",
    tests: SCHEDULED,
    filter: "is a repeat on another",
  },
  {
    name: "scheduled on nodes: an atomic group is stored although one of its ids waits",
    promise: "All or nothing over several topics",
    file: APPEND,
    from: "IF those = '{}' THEN RETURN NULL; END IF;",
    to: "IF true THEN RETURN NULL; END IF;",
    tests: SCHEDULED,
    filter: "is a repeat on another",
  },
  {
    name: "scheduled on nodes: cancels some although others do not wait",
    promise: "docs/cli: evs scheduled cancel cancels all of them or none",
    file: "core/state/postgres/schedule.ts",
    from: "if (missing.length > 0) return { changes: [], result: { count: 0, missing } };",
    to: "if (held.length === 0) return { changes: [], result: { count: 0, missing } };",
    tests: SCHEDULED,
    filter: "all of it or nothing",
  },
  {
    name: "scheduled on nodes: publishes in another order than that of the times",
    promise: ONCE,
    file: "core/state/postgres/waiting_rows.ts",
    from: "< ${MOST_BYTES} ORDER BY due_at, number`;",
    to: "< ${MOST_BYTES} ORDER BY due_at DESC, number`;",
    tests: SCHEDULED,
    filter: "in the order of their times",
  },
  {
    name: "scheduled on nodes: by the clock of the node that accepts",
    promise: "10. The clock may jump",
    file: "core/state/postgres/schedule.ts",
    from: "const under = this.#context.host.under(topic)!;",
    to:
      "const under = this.#context.host.under(topic)!;\n    if (how.schedule.delayMs) how = { ...how, schedule: { at: Math.round(this.#context.host.clock.now() + how.schedule.delayMs) } };",
    tests: SCHEDULED,
    filter: "whatever the clocks",
  },
  {
    name: "scheduled on nodes: delivers what was redacted while it waited",
    promise: "33. Redacted is gone",
    file: "core/state/redactions.ts",
    from: "return record ?? this.get({ ...event, seq: 0 });",
    to: "return record;",
    tests: SCHEDULED,
    filter: "and not delivered",
  },
];
