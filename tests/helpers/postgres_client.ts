/** The client that the seed's store uses: `query(sql, params)` on top of the driver `postgres`. */
import postgres from "../packages/postgres.ts";

/** The result of a query. */
export interface QueryResult {
  // deno-lint-ignore no-explicit-any -- rows of any table
  rows: any[];
  rowCount: number;
}

/** A pool of connections. */
export class PostgresClient {
  readonly #sql: postgres.Sql;

  constructor(connectionString: string) {
    // A bigint is returned as text unless a number is requested; ours are Unix ms.
    const bigint = { to: 20, from: [20], serialize: String, parse: Number };
    this.#sql = postgres(connectionString, { types: { bigint }, max: 4, onnotice: () => {} });
  }

  async query(text: string, params: unknown[] = []): Promise<QueryResult> {
    const rows = await this.#sql.unsafe(text, params as never[]);
    return { rows: [...rows], rowCount: rows.count };
  }

  end(): Promise<void> {
    return this.#sql.end();
  }
}
