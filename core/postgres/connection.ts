/**
 * Connections to a PostgreSQL database, fixed by role: one for appends, one for the state, two for
 * reads, one to say that this node is there, so that none waits for another's lock. Each is made
 * when it is first needed, and made again after it was lost.
 *
 * A connection that is lost while a change is under way leaves its outcome unknown
 * ({@link UnknownOutcomeError}); while only reading, nothing is unknown and the error says that the
 * server is away.
 */
import { type Clock, systemClock } from "../base/clock.ts";
import { CannotStoreError, ClosedError } from "../base/errors.ts";
import { connectDriver, cutConnection, type DriverClient, endConnection } from "./driver.ts";
import { asPostgresError, AWAY, type DriverError, isLost, UnknownOutcomeError } from "./errors.ts";
import { type DatabaseTarget, placeOf, type PostgresOptions, readTarget } from "./url.ts";

/** What a connection is for. */
export type Role = "append" | "state" | "read" | "node";

/** Runs a statement; rows as objects. A `bigint` of the server is a number here. */
export type Query = <Row = Record<string, unknown>>(
  text: string,
  values?: readonly unknown[],
) => Promise<Row[]>;

/** A database. */
export interface Postgres {
  /** Where it is, for messages. */
  readonly place: string;
  readonly target: DatabaseTarget;
  /** How many connections there are now. */
  readonly connected: number;
  /** One statement. */
  query<Row = Record<string, unknown>>(
    role: Role,
    text: string,
    values?: readonly unknown[],
  ): Promise<Row[]>;
  /** Statements in one transaction on one connection of that role. */
  transaction<T>(role: Role, work: (query: Query) => Promise<T>): Promise<T>;
  /** The process ends soon: a connection that cannot be made is not tried again. */
  hurry(): void;
  close(): Promise<void>;
}

/** For tests: another clock, and how long a statement may take. */
export interface ConnectionOptions {
  clock?: Clock;
  /**
   * Milliseconds after which a statement that has no answer is given up and its connection closed.
   * The server's own timeout does not end a wait for a standby. Default: 30 s, for "node" 10 s.
   */
  deadline?: number;
}

const CONNECTIONS: Record<Role, number> = { append: 1, state: 1, read: 2, node: 1 };
/** A node whose heartbeat takes longer is taken for gone; a new connection may be quicker. */
const DEADLINES_MS: Record<Role, number> = {
  append: 30_000,
  state: 30_000,
  read: 30_000,
  node: 10_000,
};
/** The warning of a commit that no standby has, because somebody cancelled the wait for it. */
const CANCELLED_WAIT = "01000";

/** Opens a database: connects once, so that a wrong URL is an error at once. */
export async function openPostgres(
  given: string | PostgresOptions,
  options: ConnectionOptions = {},
): Promise<Postgres> {
  const postgres = lazyPostgres(given, options);
  try {
    await postgres.query("read", "SELECT 1");
  } catch (error) {
    await postgres.close();
    throw error;
  }
  return postgres;
}

/** The same, but nothing is connected before it is used. */
export function lazyPostgres(
  given: string | PostgresOptions,
  options: ConnectionOptions = {},
): Postgres {
  return new Connections(readTarget(given), options);
}

class Connections implements Postgres {
  readonly target: DatabaseTarget;
  readonly place: string;
  readonly #lanes: Record<Role, Lane[]>;

  constructor(
    target: DatabaseTarget,
    { clock = systemClock, deadline }: ConnectionOptions,
  ) {
    this.target = target;
    this.place = placeOf(target);
    const lanes = (role: Role) =>
      Array.from(
        { length: CONNECTIONS[role] },
        () => new Lane(target, { role, clock, deadline: deadline ?? DEADLINES_MS[role] }),
      );
    this.#lanes = {
      append: lanes("append"),
      state: lanes("state"),
      read: lanes("read"),
      node: lanes("node"),
    };
  }

  get connected(): number {
    return Object.values(this.#lanes).flat().filter((lane) => lane.isConnected).length;
  }

  query<Row>(role: Role, text: string, values?: readonly unknown[]): Promise<Row[]> {
    return this.#lane(role).run((session) => session.query<Row>(text, values));
  }

  transaction<T>(role: Role, work: (query: Query) => Promise<T>): Promise<T> {
    return this.#lane(role).run((session) => inTransaction(session, work));
  }

  /** The one with the least to do. */
  #lane(role: Role): Lane {
    return this.#lanes[role].reduce((least, lane) => lane.waiting < least.waiting ? lane : least);
  }

  hurry(): void {
    for (const lane of Object.values(this.#lanes).flat()) lane.hurry();
  }

  async close(): Promise<void> {
    await Promise.all(Object.values(this.#lanes).flat().map((lane) => lane.close()));
  }
}

async function inTransaction<T>(session: Session, work: (query: Query) => Promise<T>): Promise<T> {
  // Until the COMMIT is sent, a lost connection means that nothing was stored.
  const query: Query = (text, values) => session.query(text, values, { changes: false });
  await query("BEGIN");
  let result: T;
  try {
    result = await work(query);
  } catch (error) {
    if (!session.isLost) await query("ROLLBACK");
    throw error;
  }
  await session.query("COMMIT");
  return result;
}

interface LaneOptions {
  role: Role;
  clock: Clock;
  deadline: number;
}

/** One connection, and who waits for it. */
class Lane {
  readonly #target: DatabaseTarget;
  readonly #options: LaneOptions;
  #session: Session | undefined;
  #last: Promise<unknown> = Promise.resolve();
  #closed = false;
  #hurries = false;
  /** Why a connection could not be made since it hurries. */
  #failure: Error | undefined;
  /** How many use it or wait for it. */
  waiting = 0;

  constructor(target: DatabaseTarget, options: LaneOptions) {
    this.#target = target;
    this.#options = options;
  }

  get isConnected(): boolean {
    return this.#session?.isLost === false;
  }

  /** Runs `work` alone on the connection, after those who came before. */
  async run<T>(work: (session: Session) => Promise<T>): Promise<T> {
    this.waiting++;
    const turn = this.#last.then(async () => work(await this.#connected()));
    this.#last = turn.catch(() => {});
    try {
      return await turn;
    } finally {
      this.waiting--;
    }
  }

  async #connected(): Promise<Session> {
    if (this.#closed) throw new ClosedError("the connection to PostgreSQL is closed");
    if (this.#session && !this.#session.isLost) return this.#session;
    if (this.#failure) throw this.#failure;
    try {
      const client = await connectDriver(this.#target, `evs ${this.#options.role}`);
      return this.#session = new Session(client, this.#target, this.#options);
    } catch (error) {
      const told = asPostgresError(error, this.#target);
      if (this.#hurries) this.#failure = told;
      throw told;
    }
  }

  hurry(): void {
    this.#hurries = true;
  }

  /** Waits for what is under way, then closes. */
  async close(): Promise<void> {
    this.#closed = true;
    await this.#last;
    await this.#session?.close();
  }
}

/** A connection while it lasts. */
class Session {
  readonly #client: DriverClient;
  readonly #target: DatabaseTarget;
  readonly #options: LaneOptions;
  /** The names of prepared statements, by text. */
  readonly #prepared = new Map<string, string>();
  #cancelled = false;
  isLost = false;

  constructor(client: DriverClient, target: DatabaseTarget, options: LaneOptions) {
    this.#client = client;
    this.#target = target;
    this.#options = options;
    client.on("end", () => this.isLost = true);
    client.on("error", () => this.isLost = true);
    client.on("notice", ({ code }) => {
      if (code === CANCELLED_WAIT) this.#cancelled = true;
    });
  }

  /** Runs a statement. `changes`: whether a loss of the connection leaves its outcome unknown. */
  async query<Row>(
    text: string,
    values?: readonly unknown[],
    { changes = this.#options.role !== "read" }: { changes?: boolean } = {},
  ): Promise<Row[]> {
    const { clock, deadline } = this.#options;
    let late = false;
    const cancel = clock.setTimer(() => {
      late = true;
      this.isLost = true;
      cutConnection(this.#client);
    }, deadline);
    this.#cancelled = false;
    try {
      const { rows } = await this.#client.query({
        text,
        ...values ? { values, name: this.#nameOf(text) } : {},
      });
      if (changes && this.#cancelled) throw this.#unknown("the wait for a standby was cancelled");
      return rows as Row[];
    } catch (error) {
      throw this.#failure(error, { changes, late });
    } finally {
      cancel();
    }
  }

  #failure(thrown: unknown, { changes, late }: { changes: boolean; late: boolean }): Error {
    if (thrown instanceof UnknownOutcomeError) return thrown;
    if (late) {
      const message = `PostgreSQL at ${placeOf(this.#target)} did not answer in time`;
      if (changes) return this.#unknown(message);
      return new CannotStoreError(message, { code: AWAY });
    }
    const lost = this.isLost || isLost(thrown as DriverError);
    if (!lost) return asPostgresError(thrown, this.#target);
    this.isLost = true;
    const error = asPostgresError(thrown, this.#target);
    return changes ? this.#unknown(error.message, error) : error;
  }

  #unknown(message: string, cause?: Error): UnknownOutcomeError {
    return new UnknownOutcomeError(message, { cause });
  }

  #nameOf(text: string): string {
    let name = this.#prepared.get(text);
    if (name === undefined) this.#prepared.set(text, name = `evs_${this.#prepared.size + 1}`);
    return name;
  }

  async close(): Promise<void> {
    if (!this.isLost) await endConnection(this.#client, this.#options.clock);
  }
}
