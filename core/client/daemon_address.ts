/**
 * One way to find the daemon, for every command and for the library: the socket that its data dir's
 * lock names, then the one that the environment leads to, then the system's own place. A daemon
 * that is there and has no socket (it was removed, or it is just starting, stopping or being
 * replaced) is waited for, and asked to make it anew; one that does not answer is said not to. The
 * reasons are in docs/adr/0028-finding-the-daemon.md.
 */
import type { Clock } from "../base/clock.ts";
import { CannotStoreError, NoDaemonError } from "../base/errors.ts";
import { holderFile, readHolder } from "../protocol/holder.ts";
import { type Paths, SYSTEM_SOCKET } from "../protocol/paths.ts";
import type { Address } from "./client.ts";
import { Connection, type Duplex } from "./connection.ts";
import { QUIET_MS, WatchedSocket } from "./watched_socket.ts";

/** A daemon that is there and says nothing for so long does not answer, ms. */
export const SILENCE_MS = 3500;

/** How a daemon is looked for. */
export interface AddressOptions {
  paths: Paths;
  clock: Clock;
  /** So long a daemon is waited for that is not there, ms. */
  waitMs?: number;
  /** Whether its silence is looked into once it is connected to. */
  watch: boolean;
}

/** Loads what only those need whom nobody answers. */
const trouble = () =>
  import(new URL("./daemon_process.ts", import.meta.url).href) as Promise<
    typeof import("./daemon_process.ts")
  >;

/** See the head of the file. */
export class DaemonAddress implements Address {
  /** Where it answered last, or where one that is started would answer. */
  socket: string;
  readonly succeeded: boolean;
  readonly #options: AddressOptions;

  constructor(options: AddressOptions) {
    this.#options = options;
    this.socket = options.paths.socket;
    this.succeeded = options.watch;
  }

  async connect(): Promise<Connection> {
    const { paths, clock, waitMs = 0 } = this.#options;
    const since = clock.monotonic();
    let nudged = 0;
    for (let pause = 5;; pause = Math.min(pause * 2, 100)) {
      const missed = await this.#tryAll();
      if (missed instanceof Connection) return missed;
      const waited = clock.monotonic() - since;
      const { holding, notAnswering, nudge } = await trouble();
      const held = holding(paths);
      if (held === undefined) {
        if (waited >= waitMs) throw missed;
      } else if (waited >= Math.max(waitMs, SILENCE_MS)) {
        throw notAnswering(held, paths);
      } else if (held.holder !== undefined && !(missed instanceof CannotStoreError)) {
        // Again where it did not help: it may have come while the daemon was starting.
        if (pause >= nudged) nudge(held.holder);
        nudged = pause * 4;
      }
      await new Promise<void>((resolve) => void clock.setTimer(resolve, pause));
    }
  }

  /** A connection, or why there is none: at the first place where anything but nobody was met. */
  async #tryAll(): Promise<Connection | NoDaemonError | CannotStoreError> {
    let missed: NoDaemonError | CannotStoreError | undefined;
    for (const socket of candidates(this.#options.paths)) {
      try {
        const connection = await Connection.open(
          socket,
          this.#options.watch ? (conn) => this.#watched(conn, socket) : undefined,
        );
        this.socket = socket;
        return connection;
      } catch (error) {
        if (error instanceof CannotStoreError) return error;
        if (!(error instanceof NoDaemonError)) throw error;
        if (socket === this.#options.paths.socket) missed = error;
      }
    }
    return missed!;
  }

  #watched(conn: Duplex, socket: string): Duplex {
    const { clock } = this.#options;
    return new WatchedSocket(conn, { clock, inquire: () => this.#inquire(socket) });
  }

  /** Undefined if the daemon answers anything at all. */
  async #inquire(socket: string): Promise<Error | undefined> {
    const { paths, clock, waitMs = 0 } = this.#options;
    const until = clock.monotonic() + Math.max(waitMs, SILENCE_MS) - QUIET_MS;
    while (clock.monotonic() < until) {
      if (await answers(socket, { clock, ms: until - clock.monotonic() })) return undefined;
      await new Promise<void>((resolve) => void clock.setTimer(resolve, 100));
    }
    const { holding, notAnswering } = await trouble();
    return notAnswering(holding(paths) ?? {}, { ...paths, socket });
  }
}

/** Where to look, in order. */
function candidates({ chosen, dataDir, socket }: Paths): Set<string> {
  if (chosen === "socket") return new Set([socket]);
  const named = readHolder(holderFile(dataDir))?.socket;
  return new Set([
    ...(named === undefined ? [] : [named]),
    socket,
    ...(chosen === "nothing" ? [SYSTEM_SOCKET] : []),
  ]);
}

/** True when somebody answers in time, whatever he says. */
async function answers(
  socket: string,
  { clock, ms }: { clock: Clock; ms: number },
): Promise<boolean> {
  let connection: Connection;
  try {
    connection = await Connection.open(socket);
  } catch {
    // Nobody, or nobody who accepts: that is no answer.
    return false;
  }
  const cancel = clock.setTimer(() => connection.close(), ms);
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
