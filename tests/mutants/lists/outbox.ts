/** Sabotages of the outbox. Those of its SQL need a server, and run at nightly. */
import type { Mutant } from "../mutant.ts";

const ONCE = "What a transaction wrote is published once";
const OUTBOX = ["tests/system/postgres/outbox_test.ts"];
const RELAY = ["tests/core/broker/outbox_relay_test.ts"];

export const outboxMutants: Mutant[] = [
  {
    name: "outbox: appends in another order than that of writing",
    promise: ONCE,
    file: "core/store/postgres/outbox_function.ts",
    from: "string_agg(payload, sep ORDER BY number) AS payloads",
    to: "string_agg(payload, sep ORDER BY number DESC) AS payloads",
    tests: OUTBOX,
  },
  {
    name: "outbox: takes ids for new that were given before",
    promise: "docs/stores.md: With a repeated id it is stored once",
    file: "core/store/postgres/outbox_function.ts",
    from: "CASE nth WHEN 1 THEN '1' ELSE '2' END",
    to: "'0'",
    tests: OUTBOX,
  },
  {
    name: "outbox: takes another process that moves for an empty outbox",
    promise: ONCE,
    file: "core/store/postgres/outbox_function.ts",
    from: "IF NOT FOUND THEN RETURN; END IF;",
    to: "IF NOT FOUND THEN rows := 0; RETURN; END IF;",
    tests: OUTBOX,
  },
  {
    name: "outbox: deletes what was not appended, because another node changed the topic",
    promise: ONCE,
    file: "core/store/postgres/outbox_function.ts",
    from: "IF answer = '{\"stale\":true}' THEN",
    to: "IF false THEN",
    tests: OUTBOX,
    filter: "move",
  },
  {
    name: "outbox: takes a client outside a transaction for one inside",
    promise: ONCE,
    file: "core/store/postgres/outbox.ts",
    from: 'getTransactionStatus.call(tx) === "I"',
    to: 'getTransactionStatus.call(tx) === "E"',
    tests: OUTBOX,
  },
  {
    name: "outbox: leaves what waits for a removed topic",
    promise: "docs/adr/0070-the-outbox.md: A removed topic takes with it what had been committed",
    file: "core/store/postgres/delete_functions.ts",
    from: "WHERE o.topic = p_topic; END IF;",
    to: "WHERE false; END IF;",
    tests: OUTBOX,
  },
  {
    name: "outbox: looks rarely although another process uses it",
    promise: ONCE,
    file: "core/broker/outbox_relay.ts",
    from: "this.#stopListening = outbox.onUsed(() => this.#used());",
    to: "this.#stopListening = outbox.onUsed(() => {});",
    tests: RELAY,
  },
  {
    name: "outbox: one topic that takes no events stops the others",
    promise: ONCE,
    file: "core/broker/outbox_relay.ts",
    from: "        this.#refuse(topic, error);",
    to: "        this.#refuse(topic, error);\n        throw error;",
    tests: RELAY,
  },
  {
    name: "outbox: gives up a topic that took no events once",
    promise: ONCE,
    file: "core/broker/outbox_relay.ts",
    from: "refused && refused.until > clock.monotonic()",
    to: "refused",
    tests: RELAY,
  },
];
