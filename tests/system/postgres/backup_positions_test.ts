/**
 * Positions of parts in a backup: whatever parts had settled, out of order or not, that and nothing
 * else is settled in the one position that comes of it, and in the parts that are made of it again.
 */
import assert from "node:assert/strict";
import { copyDatabaseInto } from "../../../core/backup/postgres/backup_database.ts";
import { restoreDatabase } from "../../../core/backup/postgres/restore_database.ts";
import { makeBackup } from "../../../core/backup/backup.ts";
import { PostgresState } from "../../../core/state/postgres/postgres_state.ts";
import { StateTables } from "../../../core/state/state_tables.ts";
import { PostgresEventStore } from "../../../core/store/postgres/postgres_event_store.ts";
import { newEvent } from "../../../testing/new_event.ts";
import { dose } from "../../helpers/dose.ts";
import { randomFrom } from "../../helpers/flip.ts";
import { testFolder } from "../../helpers/folder.ts";
import { type PostgresServer, startPostgres } from "../../helpers/postgres.ts";
import { seed } from "../../helpers/seed.ts";

const [EVENTS, FIRST] = [1400, 300];
const NOW = Date.UTC(2026, 0, 1);

/** Which seqs are settled, by subscription. */
type Settled = Map<string, Set<number>>;

Deno.test("evs backup keeps what each part has settled, there and back", async () => {
  await using server = await startPostgres({ settings: { fsync: "off" } });
  const [from, to] = [
    await server.database({ name: "from" }),
    await server.database({ name: "to" }),
  ];
  const folder = await testFolder("test");
  await fill(from, server);
  const before = await settledIn(server, "from");

  const file = `${folder}/backup.tar`;
  const copy = (staging: string) =>
    copyDatabaseInto(staging, { database: { url: from }, dataDir: folder, now: NOW });
  await makeBackup({ dataDir: folder, file, force: false, now: NOW, copy });
  const staging = `${folder}/files`;
  await Deno.mkdir(staging);
  await copy(staging);
  assertSame(settledInFiles(`${staging}/state.db`), before, `in files, EVS_SEED=${seed}`);

  await restoreDatabase({ file, database: { url: to }, folder, force: false, now: NOW });
  assertSame(await settledIn(server, "to"), before, `in a database, EVS_SEED=${seed}`);
  const owned = "SELECT count(*) = (SELECT sum(parts) FROM evs.subscriptions), " +
    "bool_and(node IS NULL AND epoch > 1000000) FROM evs.claims";
  assert.equal((await server.sql(owned, "to")).trim(), "t|t", "later owners have higher epochs");
  // What is gone counts as missed once, whoever stood where.
  assert.equal(await missed(server, "to"), missedInFiles(`${staging}/state.db`));
  await Deno.remove(folder, { recursive: true });
});

/** Many subscriptions, each with positions and marks of its parts at random. */
async function fill(url: string, server: PostgresServer): Promise<void> {
  const below = randomFrom(seed);
  const of = <T>(choices: readonly T[]): T => choices[below(choices.length)]!;
  const store = await PostgresEventStore.open(url);
  const events = Array.from(
    { length: EVENTS },
    (_, n) => newEvent(n % 3 === 0 ? {} : { key: `k-${n % 71}` }),
  );
  await store.append([{ topic: "t", events }]);
  await store.truncate("t", FIRST);
  await store.close();
  const state = await PostgresState.open(url);
  await state.close();
  const statements: string[] = [];
  for (let n = 0; n < dose(80); n++) {
    const [name, parts] = [`s-${n}`, of([1, 3, 16])];
    statements.push(
      `INSERT INTO evs.subscriptions VALUES ('${name}', 't', 'start', 3, '{}', '[]', NULL, false,
         NULL, 1, NULL, NULL, NULL, 10, ${parts}, 1);
       INSERT INTO evs.cursors SELECT '${name}', 't', part,
         ${1 + below(EVENTS)} + (part * 7919 * ${below(50)}) % 200
       FROM generate_series(${of([-1, 0])}, ${parts} - 1) AS part
       WHERE part = ${parts === 1 ? 0 : of([-1, 0])} OR (part * 31 + ${n}) % 4 = 0
       ${parts === 1 ? "AND part = 0" : ""};
       INSERT INTO evs.done SELECT '${name}', 't', e.slot % ${parts}, e.seq
       FROM evs.events AS e WHERE e.seq >= ${FIRST} AND e.seq % ${2 + below(9)} = 0
         AND e.seq >= ${NEXT.replaceAll("NAME", `'${name}'`).replaceAll("PARTS", String(parts))}`,
    );
  }
  await server.sql(statements.join(";"), "from");
}

/** The position of an event's part. */
const NEXT = `coalesce((SELECT next FROM evs.cursors AS c WHERE c.subscription = NAME
    AND c.part = e.slot % PARTS),
  (SELECT next FROM evs.cursors AS c WHERE c.subscription = NAME AND c.part = -1), 1)`;

async function settledIn(server: PostgresServer, database: string): Promise<Settled> {
  const next = NEXT.replaceAll("NAME", "s.name").replaceAll("PARTS", "s.parts");
  const rows = await server.sql(
    `SELECT s.name, coalesce(string_agg(e.seq::text, ' ' ORDER BY e.seq), '')
     FROM evs.subscriptions AS s LEFT JOIN evs.events AS e ON e.seq >= ${FIRST}
       AND (e.seq < ${next} OR EXISTS (SELECT 1 FROM evs.done AS d
         WHERE d.subscription = s.name AND d.part = e.slot % s.parts AND d.seq = e.seq))
     WHERE EXISTS (SELECT 1 FROM evs.cursors AS c WHERE c.subscription = s.name)
     GROUP BY s.name`,
    database,
  );
  return new Map(
    rows.trim().split("\n").map((row) => {
      const [name, seqs] = row.split("|");
      return [name!, new Set(seqs === "" ? [] : seqs!.split(" ").map(Number))];
    }),
  );
}

function settledInFiles(path: string): Settled {
  const state = new StateTables(path);
  const settled: Settled = new Map();
  for (const { subscription, next } of state.rows("SELECT subscription, next FROM cursors")) {
    const below = Array.from({ length: EVENTS }, (_, n) => n + 1)
      .filter((seq) => seq >= FIRST && seq < (next as number));
    settled.set(String(subscription), new Set(below));
  }
  for (const { subscription, seq } of state.rows("SELECT subscription, seq FROM done")) {
    settled.get(String(subscription))!.add(seq as number);
  }
  state.close();
  return settled;
}

async function missed(server: PostgresServer, database: string): Promise<number> {
  const sum = "SELECT coalesce(sum(count), 0) FROM evs.missed";
  return Number((await server.sql(sum, database)).trim());
}

function missedInFiles(path: string): number {
  const state = new StateTables(path);
  const [row] = [...state.rows("SELECT ifnull(sum(count), 0) AS n FROM missed")];
  state.close();
  return row!["n"] as number;
}

function assertSame(actual: Settled, expected: Settled, where: string): void {
  assert.deepEqual([...actual.keys()].sort(), [...expected.keys()].sort(), where);
  for (const [name, seqs] of expected) {
    const other = actual.get(name)!;
    const lost = [...seqs].filter((seq) => !other.has(seq));
    const invented = [...other].filter((seq) => !seqs.has(seq));
    assert.deepEqual({ lost, invented }, { lost: [], invented: [] }, `${name} ${where}`);
  }
}
