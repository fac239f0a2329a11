/**
 * The part of the driver `pg` that we use, with types of our own, and nothing else imports it. It
 * is loaded when the first connection is made: nobody else pays for it.
 */
import type { Clock } from "../base/clock.ts";
import type { DatabaseTarget } from "./url.ts";

/** What the server says beside a result. */
export interface ServerNotice {
  /** A SQLSTATE. */
  code?: string;
  message?: string;
}

/** A text that was sent by NOTIFY. */
export interface ServerNotification {
  channel: string;
  payload?: string;
  /** The connection that sent it. */
  processId: number;
}

/** One connection. */
export interface DriverClient {
  connect(): Promise<unknown>;
  query(query: { text: string; values?: readonly unknown[]; name?: string }): Promise<
    { rows: unknown[]; rowCount: number | null }
  >;
  end(): Promise<void>;
  /** Identifies it to the server. */
  readonly processID: number | null;
  on(event: "notice", listener: (notice: ServerNotice) => void): void;
  on(event: "notification", listener: (notification: ServerNotification) => void): void;
  on(event: "error", listener: (error: Error) => void): void;
  on(event: "end", listener: () => void): void;
  /** The driver's protocol half; its socket is what {@link cutConnection} closes. */
  connection: { stream: { destroy(): void; unref?(): void } };
}

interface DriverTypes {
  getTypeParser(oid: number, format?: string): (text: string) => unknown;
}

interface Driver {
  Client: new (options: object) => DriverClient;
  types: DriverTypes;
}

/** The type `bigint`. */
const INT8 = 20;
/** How long the server may take to close a connection that was ended, ms. */
const FAREWELL_MS = 2000;
/** How long the server keeps a transaction open whose client says nothing, ms. */
const IDLE_TRANSACTION_MS = 10_000;
/**
 * What a database or a user may have set otherwise, and what we rely on. Nothing is looked for where
 * others may make functions and operators: one in `public` that fits better than the server's own
 * would run with our rights. Lists have NULL in them, and times are numbers of thirteen digits.
 */
const SETTINGS = {
  default_transaction_isolation: "read\\ committed",
  search_path: "pg_catalog",
  array_nulls: "on",
  extra_float_digits: "1",
  // Within a minute the server ends the session of a client whose network is gone. It would keep
  // its locks, its snapshot and its connection for hours, because nothing tells it.
  tcp_keepalives_idle: "30",
  tcp_keepalives_interval: "10",
  tcp_keepalives_count: "3",
  tcp_user_timeout: "60000",
};
const OPTIONS = Object.entries(SETTINGS).map(([name, value]) => `-c ${name}=${value}`).join(" ");

/** Makes a connection; `name` is what `pg_stat_activity` shows. */
export async function connectDriver(target: DatabaseTarget, name: string): Promise<DriverClient> {
  const { default: driver } = await import("pg") as unknown as { default: Driver };
  const { types } = driver;
  const { host, port, user, database, password, connectTimeout } = target;
  const client = new driver.Client({
    host,
    port,
    user,
    database,
    // With null it neither asks the environment nor looks for ~/.pgpass.
    password: password ?? null,
    ssl: target.tls && { rejectUnauthorized: true, ca: target.ca },
    connectionTimeoutMillis: connectTimeout,
    keepAlive: true,
    application_name: name,
    client_encoding: "UTF8",
    idle_in_transaction_session_timeout: IDLE_TRANSACTION_MS,
    options: OPTIONS,
    types: {
      // Ours are sequence numbers, sizes and Unix ms.
      getTypeParser: (oid: number, format?: string) =>
        oid === INT8 ? Number : types.getTypeParser(oid, format),
    },
  });
  // An idle connection that is lost tells it here; the next statement on it fails.
  client.on("error", () => {});
  await client.connect();
  return client;
}

/** Closes the socket at once; what is under way on it fails. */
export function cutConnection(client: DriverClient): void {
  client.connection.stream.destroy();
}

/**
 * Tells the server that this is the end, and closes. Where the network is gone, nothing would come
 * back for a quarter of an hour: it is cut off soon.
 */
export async function endConnection(client: DriverClient, clock: Clock): Promise<void> {
  const cancel = clock.setTimer(() => cutConnection(client), FAREWELL_MS);
  try {
    await client.end();
  } finally {
    cancel();
  }
}
