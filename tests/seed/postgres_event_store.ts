/**
 * The PostgreSQL store of the seed document, as a user would copy it; run by
 * tests/system/postgres_test.ts.
 */
import type { Event, EventQuery, EventStore } from "https://deno.land/x/env_event_stream/mod.ts";
import { PostgresClient } from "../helpers/postgres_client.ts";

/** What the class expects of its database. */
export const TABLE = `CREATE TABLE events (
  id TEXT PRIMARY KEY,
  type TEXT NOT NULL,
  topic TEXT NOT NULL,
  timestamp BIGINT NOT NULL,
  schema_version TEXT NOT NULL,
  payload TEXT NOT NULL,
  metadata TEXT
)`;

export class PostgresEventStore implements EventStore {
  private client: PostgresClient;

  constructor(connectionString: string) {
    this.client = new PostgresClient(connectionString);
  }

  async saveEvent(event: Event): Promise<void> {
    await this.client.query(
      `INSERT INTO events (id, type, topic, timestamp, schema_version, payload, metadata)
       VALUES ($1, $2, $3, $4, $5, $6, $7)`,
      [
        event.id,
        event.type,
        event.topic,
        event.timestamp,
        event.schemaVersion,
        JSON.stringify(event.payload),
        JSON.stringify(event.metadata),
      ],
    );
  }

  async getEvents(topic: string, options: EventQuery = {}): Promise<Event[]> {
    let query = `SELECT * FROM events WHERE topic = $1`;
    const params: unknown[] = [topic];

    if (options.fromTimestamp) {
      query += ` AND timestamp >= $${params.length + 1}`;
      params.push(options.fromTimestamp);
    }

    if (options.toTimestamp) {
      query += ` AND timestamp <= $${params.length + 1}`;
      params.push(options.toTimestamp);
    }

    if (options.eventTypes?.length) {
      query += ` AND type = ANY($${params.length + 1})`;
      params.push(options.eventTypes);
    }

    query += ` ORDER BY timestamp ASC`;

    if (options.limit) {
      query += ` LIMIT $${params.length + 1}`;
      params.push(options.limit);
    }

    const result = await this.client.query(query, params);

    return result.rows.map((row) => ({
      id: row.id,
      type: row.type,
      topic: row.topic,
      timestamp: row.timestamp,
      schemaVersion: row.schema_version,
      payload: JSON.parse(row.payload),
      metadata: row.metadata ? JSON.parse(row.metadata) : {},
    }));
  }

  async deleteEvents(topic: string, beforeTimestamp: number): Promise<number> {
    const result = await this.client.query(
      `DELETE FROM events WHERE topic = $1 AND timestamp < $2 RETURNING id`,
      [topic, beforeTimestamp],
    );

    return result.rowCount;
  }

  /** Not in the seed: a test has to end its connections. */
  close(): Promise<void> {
    return this.client.end();
  }
}
