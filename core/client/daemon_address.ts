/**
 * One way to find the daemon, for every command and the library: first the socket in the lock of
 * its data dir, then the one from the environment, then the system's default. If a daemon runs
 * without a socket (removed, or the daemon is starting, stopping or being replaced), the client
 * waits and asks it to create the socket again. If a daemon does not answer, the error says so. The
 * reasons are in docs/adr/0028-finding-the-daemon.md.
 */
import { type Clock, systemClock } from "../base/clock.ts";
import { CannotStoreError, NoDaemonError, SocketError } from "../base/errors.ts";
import type { AwakeTime } from "../base/standstill.ts";
import { socketCandidates } from "../protocol/holder.ts";
import { type Paths, SYSTEM_SOCKET } from "../protocol/paths.ts";
import type { Address } from "./client.ts";
import { Connection, type Duplex, QUIET_MS } from "./connection.ts";
import type { Holding } from "./daemon_process.ts";
import { WatchedSocket } from "./watched_socket.ts";

/** A running daemon that stays silent this long counts as not answering, ms. */
export const SILENCE_MS = 3500;

/**
 * On an overloaded machine a daemon waits for a processor itself. That time is added to its limit,
 * up to this, ms.
 */
const STARVED_MS = 20_000;

/** A look at all places with the pause before it takes no longer, ms. */
const LONGEST_TRY_MS = 1000;

/** How to look for a daemon. */
export interface AddressOptions {
  paths: Paths;
  /** Default: the system's. */
  clock?: Clock;
  /** How long to wait for a daemon that is not there, ms. */
  waitMs?: number;
  /** Whether its silence is looked into once it is connected to. */
  watch: boolean;
}

/** Loads what is only needed if nobody answers. */
const trouble = () => import("./daemon_process.ts");

/** Finds the daemon for each connection. */
export class DaemonAddress implements Address {
  /** Where it answered last, or where a newly started one would answer. */
  socket: string;
  readonly succeeded: boolean;
  readonly #options: AddressOptions & { clock: Clock };

  constructor(options: AddressOptions) {
    this.#options = { ...options, clock: options.clock ?? systemClock };
    this.socket = options.paths.socket;
    this.succeeded = options.watch;
  }

  async connect(): Promise<Connection> {
    const { paths, clock, waitMs = 0 } = this.#options;
    let time: AwakeTime | undefined;
    let nudged = 0;
    let starved: ((held: Holding) => number) | undefined;
    for (let pause = 5;; pause = Math.min(pause * 2, 100)) {
      const missed = await this.#tryAll();
      if (missed instanceof Connection) return missed;
      const { AwakeTime, holding, notAnswering, nudge, processorWait } = await trouble();
      starved ??= starvation(processorWait);
      const waited = (time ??= new AwakeTime(clock)).passed(LONGEST_TRY_MS);
      const held = holding(paths);
      if (held === undefined) {
        if (waited >= waitMs) throw missed;
      } else if (waited >= Math.max(waitMs, SILENCE_MS) + starved(held)) {
        throw notAnswering(held, paths);
      } else if (held.holder !== undefined && !(missed instanceof CannotStoreError)) {
        // Again if it did not help: the signal may have come while the daemon was starting.
        if (pause >= nudged) nudge(held.holder);
        nudged = pause * 4;
      }
      await new Promise<void>((resolve) => void clock.setTimer(resolve, pause));
    }
  }

  /** A connection, or else the first error that is more than "nobody answers". */
  async #tryAll(): Promise<Connection | NoDaemonError | CannotStoreError> {
    let missed: NoDaemonError | CannotStoreError | undefined;
    for (const socket of socketCandidates(this.#options.paths)) {
      try {
        const connection = await Connection.open(
          socket,
          this.#options.watch ? (conn) => this.#watched(conn, socket) : undefined,
        );
        this.socket = socket;
        return connection;
      } catch (error) {
        if (error instanceof CannotStoreError) return error;
        if (missed !== undefined && isSystemClosed(error, socket)) {
          missed = withSystemClosed(missed);
          continue;
        }
        if (!(error instanceof NoDaemonError)) throw error;
        if (socket === this.#options.paths.socket) missed = error;
      }
    }
    return missed!;
  }

  #watched(conn: Duplex, socket: string): Duplex {
    const { clock } = this.#options;
    return new WatchedSocket(conn, { clock, inquire: () => this.inquire(socket) });
  }

  /**
   * Checks a daemon that is silent: undefined if it answers anything at all, else the error for the
   * caller.
   */
  async inquire(socket: string): Promise<Error | undefined> {
    const { paths, clock, waitMs = 0 } = this.#options;
    const { AwakeTime, holding, notAnswering, processorWait } = await trouble();
    const limit = Math.max(waitMs, SILENCE_MS) - QUIET_MS;
    const time = new AwakeTime(clock);
    const starved = starvation(processorWait);
    const left = (passed: number) => limit + starved(holding(paths) ?? {}) - passed;
    for (let ms = left(0); ms > 0; ms = left(time.passed(LONGEST_TRY_MS))) {
      if (await answers(socket, { clock, ms })) return undefined;
      time.passed(ms);
      await new Promise<void>((resolve) => void clock.setTimer(resolve, 100));
    }
    return notAnswering(holding(paths) ?? {}, { ...paths, socket });
  }
}

/**
 * How long a daemon has waited for a processor since it was first asked about, ms; what is added to
 * a limit for it.
 */
export function starvation(processorWait: (held: Holding) => number): (held: Holding) => number {
  let before: { pid: number | undefined; ms: number } = { pid: undefined, ms: 0 };
  return (held) => {
    const [pid, ms] = [held.holder?.pid, processorWait(held)];
    if (before.pid !== pid) before = { pid, ms };
    // Nothing is known of one that has just ended.
    return Math.max(0, Math.min(STARVED_MS, ms - before.ms));
  };
}

/** True if a system daemon is there, and this user is not in the group that may use it. */
function isSystemClosed(error: unknown, socket: string): boolean {
  return error instanceof SocketError && socket === SYSTEM_SOCKET;
}

/** The error for a user without a daemon, on a machine that has one for others. */
function withSystemClosed(missed: NoDaemonError): NoDaemonError {
  const { message, details, cause } = missed;
  return new NoDaemonError(
    `${message}, and the system's (${SYSTEM_SOCKET}) is for a group that this user is not in`,
    { hint: "evs daemon start", details, cause },
  );
}

/** True if anything answers in time, whatever it says. */
async function answers(
  socket: string,
  { clock, ms }: { clock: Clock; ms: number },
): Promise<boolean> {
  let connection: Connection;
  try {
    connection = await Connection.open(socket);
  } catch {
    // Nobody listens or accepts: no answer.
    return false;
  }
  const { setPatientTimer } = await trouble();
  const cancel = setPatientTimer(clock, () => connection.close(), ms);
  try {
    await connection.request({ method: "GET", path: "/v1/health" });
    return true;
  } catch {
    // Closed by the timer or by the daemon: no answer either way.
    return false;
  } finally {
    cancel();
    connection.close();
  }
}
