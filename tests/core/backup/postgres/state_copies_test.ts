/**
 * Nothing of a state is forgotten on its way into a database or out of one: each table and each
 * column of a state database is copied, or is named here with the reason why it is not.
 */
import assert from "node:assert/strict";
import { STATE_COPIES } from "../../../../core/backup/postgres/state_copies.ts";
import { StateTables } from "../../../../core/state/state_tables.ts";
import { testFolder } from "../../../helpers/folder.ts";

/** Tables that are no plain copies, and those that are of the process that wrote them. */
const OTHERS: Record<string, string> = {
  cursors: "positions are divided into parts",
  done: "so are marks",
  missed: "and what was missed",
  expired: "and what has expired",
  unanswered: "the part is looked up",
  begun: "the parts are in its JSON",
  dead_letter_causes: "a column of dead letters",
  expiry_clock: "a clock of the process",
  topic_ends: "where topics ended when the process closed",
  generation: "how often the process opened it",
};

Deno.test("STATE_COPIES has every table and every column of a state database", async () => {
  const folder = await testFolder("test");
  const state = new StateTables(`${folder}/state.db`);
  const tables = [...state.rows(
    "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%' ORDER BY name",
  )].map(({ name }) => String(name));
  const copied = new Map(STATE_COPIES.map((copy) => [copy.local ?? copy.table.name, copy]));
  assert.deepEqual([...copied.keys(), ...Object.keys(OTHERS)].sort(), tables);
  for (const [table, { table: { columns }, from = {} }] of copied) {
    const there = [...state.rows(`SELECT name FROM pragma_table_info('${table}')`)]
      .map(({ name }) => String(name));
    const made = [
      ...Object.keys(columns).filter((name) => from[name] === undefined),
      ...Object.keys(from).filter((name) => from[name] !== null),
    ];
    assert.deepEqual(made.sort(), there.sort(), table);
  }
  state.close();
  await Deno.remove(folder, { recursive: true });
});
