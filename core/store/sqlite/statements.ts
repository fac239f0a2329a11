/** Statements that are prepared once and kept: preparing costs more than running most of them. */
import type { DatabaseSync, StatementSync } from "node:sqlite";

/** Prepares a statement, or returns the one already prepared for the same text. */
export type Prepare = (sql: string) => StatementSync;

/** The prepared statements of one connection. */
export function statementsOf(database: DatabaseSync): Prepare {
  const statements = new Map<string, StatementSync>();
  return (sql) => {
    let statement = statements.get(sql);
    if (!statement) statements.set(sql, statement = database.prepare(sql));
    return statement;
  };
}
