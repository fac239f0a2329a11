/** Sabotages of the event store on PostgreSQL, and of the connections below it. */
import type { Mutant } from "../mutant.ts";

const NUMBERS = "4. Sequence numbers have no gaps";
const LIMITS = "docs/configuration.md: Keep at most this much, such as 64MiB";
const KEYS = "docs/library.md: its number among the events of the key in the topic, from 1";
const FEW_READS = "docs/adr/0066-postgresql.md: Ids are looked up in the events";
const ONCE = "docs/stores.md: finds out whether the events were stored, and stores them once";
const SHARED = "docs/stores.md: What one broker publishes, all others have";
const DURABLE = "docs/stores.md: says whether an acknowledged event survives a power cut";
const DAMAGE = "9. Damage is detected, reported and kept";
const REFUSED = "docs/stores.md: A schema evs of somebody else is refused";
const SECRET = "docs/adr/0066-postgresql.md: no error has the password";

const URLS = ["tests/core/postgres/url_test.ts"];
const CONNECTION = ["tests/system/postgres/connection_test.ts"];
const LOST = ["tests/system/postgres/answer_lost_test.ts"];
const WAKE_UPS = ["tests/system/postgres/wake_ups_test.ts"];
const MODEL = ["tests/system/postgres/append_model_test.ts"];
const TROUBLE = ["tests/system/postgres/trouble_test.ts"];
const OPEN = "docs/adr/0069-numbers-and-wake-ups-in-postgresql.md: no row is updated for ever";
const HELD_OPEN = ["tests/system/postgres/held_open_test.ts"];
const FORMATS = "12. Older formats are read, newer ones refused";

export const postgresStoreMutants: Mutant[] = [
  {
    name: "postgres: gives numbers without the lock on the topic's row",
    promise: NUMBERS,
    file: "core/store/postgres/append_function.ts",
    from: "FROM evs.topics WHERE name = t_name[1] FOR UPDATE;",
    to: "FROM evs.topics WHERE name = t_name[1];",
    tests: WAKE_UPS,
  },
  {
    name: "postgres: gives numbers of several topics without a lock",
    promise: NUMBERS,
    file: "core/store/postgres/append_function.ts",
    from: "WHERE name = ANY (t_name) ORDER BY topic_id FOR UPDATE",
    to: "WHERE name = ANY (t_name) ORDER BY topic_id",
    tests: MODEL,
    filter: "several topics at once",
  },
  {
    name: "postgres: counts what separates payloads among the bytes of a block",
    promise: LIMITS,
    file: "core/store/postgres/append_function.ts",
    from: "added := octet_length(p_payloads) - n + 1 +",
    to: "added := octet_length(p_payloads) +",
    tests: MODEL,
  },
  {
    name: "postgres: adds what is in the next block to this one",
    promise: LIMITS,
    file: "core/store/postgres/append_function.ts",
    from: "AND t_last[t] / 4096 = (t_last[t] + n - 1) / 4096 THEN",
    to: "THEN",
    tests: MODEL,
  },
  {
    name: "postgres: numbers events of a key by their place in the request",
    promise: KEYS,
    file: "core/store/postgres/append_function.ts",
    from: "b.number + e.nth AS number",
    to: "b.number + e.o AS number",
    tests: MODEL,
  },
  {
    name: "postgres: looks for a given id in all events of the topic",
    promise: FEW_READS,
    file: "core/store/postgres/append_function.ts",
    from: "ORDER BY e.seq + 0 DESC LIMIT 1",
    to: "ORDER BY e.seq DESC LIMIT 1",
    tests: ["tests/system/postgres/lookups_test.ts"],
  },
  {
    name: "postgres: does not note an append in the producer's row",
    promise: ONCE,
    file: "core/store/postgres/append_function.ts",
    from: "SET batch = p_batch, answer = reply, seen = now()",
    to: "SET seen = now()",
    tests: LOST,
  },
  {
    name: "postgres: looks for no events of others unless it is woken",
    promise: SHARED,
    file: "core/store/postgres/postgres_event_store.ts",
    from: "            this.#heads.tellAll();\n          }",
    to: "          }",
    tests: WAKE_UPS,
  },
  {
    name: "postgres: takes a cancelled wait for a standby for an answer",
    promise: ONCE,
    file: "core/postgres/connection.ts",
    from: "if (code === CANCELLED_WAIT) this.#cancelled = true;",
    to: "if (code === CANCELLED_WAIT) this.#cancelled = false;",
    tests: CONNECTION,
  },
  {
    name: "postgres: takes a lost connection for nothing stored",
    promise: ONCE,
    file: "core/postgres/connection.ts",
    from: "return changes ? this.#unknown(error.message, error) : error;",
    to: "return error;",
    tests: CONNECTION,
  },
  {
    name: "postgres: delivers rows that do not match their checksum",
    promise: DAMAGE,
    file: "core/store/postgres/row.ts",
    from: "return sumOfRow(event) === row.crc ? event : undefined;",
    to: "return event;",
    tests: TROUBLE,
  },
  {
    name: "postgres: calls itself durable whatever the server's settings are",
    promise: DURABLE,
    file: "core/store/postgres/append_function.ts",
    from: "current_setting('fsync') = 'on'",
    to: "current_setting('fsync') <> ''",
    tests: TROUBLE,
  },
  {
    name: "postgres: writes into a schema of somebody else",
    promise: REFUSED,
    file: "core/postgres/migrations.ts",
    from: "if (found.objects === 0) return",
    to: "if (found.objects >= 0) return",
    tests: ["tests/system/postgres/refusals_test.ts"],
  },
  {
    name: "postgres: takes a server of any version",
    promise: REFUSED,
    file: "core/postgres/migrations.ts",
    from: "if (version < OLDEST_SERVER) {",
    to: "if (version < 0) {",
    tests: ["tests/core/postgres/migrations_test.ts"],
  },
  {
    name: "postgres: says what the server said with the password in it",
    promise: SECRET,
    file: "core/postgres/errors.ts",
    from: "const said = withoutPassword(message, target.password);",
    to: "const said = withoutPassword(message);",
    tests: URLS,
  },
  {
    name: "postgres: asks for TLS only where the URL says so",
    promise: "docs/stores.md: Connections are encrypted, with the server's certificate verified",
    file: "core/postgres/url.ts",
    from: "if (mode === undefined) return !local;",
    to: "if (mode === undefined) return false;",
    tests: URLS,
  },
  {
    name: "postgres: keeps a producer's row however often it appends",
    promise: OPEN,
    file: "core/store/postgres/producer.ts",
    from: "const MOST_APPENDS = 500;",
    to: "const MOST_APPENDS = Infinity;",
    tests: HELD_OPEN,
  },
  {
    name: "postgres: keeps a state's row however often it commits",
    promise: OPEN,
    file: "core/state/postgres/commits.ts",
    from: "const MOST_NOTED = 500;",
    to: "const MOST_NOTED = Infinity;",
    tests: HELD_OPEN,
  },
  {
    name: "postgres: keeps a position in one row however often it moves",
    promise: OPEN,
    file: "core/state/postgres/cursor_batch.ts",
    from: "IF was.puts < 200 THEN",
    to: "IF was.puts >= 0 THEN",
    tests: HELD_OPEN,
  },
  {
    name: "postgres: says what was durable when it began",
    promise: DURABLE,
    file: "core/store/postgres/postgres_event_store.ts",
    from: "this.#durable = answer.durable ?? this.#durable;",
    to: "",
    tests: TROUBLE,
    filter: "not at its best",
  },
  {
    name: "postgres: leaves a database that is there what an append called before",
    promise: FORMATS,
    file: "core/store/postgres/migrations.ts",
    from: "    LOOKUPS_AGAIN,",
    to: "    'SELECT 1',",
    tests: ["tests/system/postgres/older_database_test.ts"],
  },
];
