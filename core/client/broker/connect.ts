/**
 * `connect` returns a broker to an application: that of a daemon, or one of its own on a database.
 * What it needs is loaded when it is called.
 */
import { guarded, toConsole } from "../../broker/broker_options.ts";
import type { EventBroker } from "../../broker/event_broker.ts";
import type { RemoteBroker } from "./remote_broker.ts";
import { type Clock, systemClock } from "../../base/clock.ts";
import { namesOf, refuseUnknown } from "../../base/options.ts";
import { environment, folderOf, type Paths, resolvePaths } from "../../protocol/paths.ts";
import { Client } from "../client.ts";
import { DaemonAddress } from "../daemon_address.ts";

/** How to reach a daemon. */
export interface ConnectOptions {
  /** The daemon's socket. Default: where `evs` looks for it (`EVS_SOCKET`, the data dir). */
  socket?: string;
  /**
   * How long publishing, or creating a topic or subscription, waits for an absent daemon, ms.
   * Default 30,000.
   */
  patienceMs?: number;
  /**
   * How long handlers may go on after the broker or their subscription ends, ms. Default 30,000.
   */
  handlerGraceMs?: number;
  /**
   * Whether publishing and handlers make spans if the application has registered OpenTelemetry.
   * Default true.
   */
  tracing?: boolean;
  /** Default: the real one. */
  clock?: Clock;
  /** Called for failures that no caller waits for. Default: the console. */
  onError?: (error: unknown, context: string) => void;
  /** Called with a message when the daemon goes away and when it is back. Default: the console. */
  onNotice?: (text: string) => void;
}

const CONNECT_OPTIONS = namesOf<ConnectOptions>({
  socket: true,
  patienceMs: true,
  handlerGraceMs: true,
  tracing: true,
  clock: true,
  onError: true,
  onNotice: true,
});

/**
 * The options of a broker on a database: it needs no daemon. See `EventBroker` for those that are
 * not explained here.
 */
export interface DatabaseBrokerOptions
  extends Pick<ConnectOptions, "handlerGraceMs" | "tracing" | "clock" | "onError"> {
  /** Certificates in PEM that the server's is checked against. Default: those of the system. */
  ca?: string;
}

const DATABASE_OPTIONS = namesOf<DatabaseBrokerOptions>({
  ca: true,
  handlerGraceMs: true,
  tracing: true,
  clock: true,
  onError: true,
});

/**
 * Makes a broker of this process on a PostgreSQL database, which has its events and everything else:
 * `connect("postgres://user:pass@host/database")`. It needs no daemon, and shares the database with
 * daemons and other brokers. Without a password in the URL, that of `EVS_POSTGRES_PASSWORD` or of the
 * file that `PGPASSFILE` names is used. Rejects with `InvalidArgumentError` for a URL that makes no
 * sense, and with `CannotStoreError` if the database is away or cannot be used; nothing is written
 * then.
 *
 * ```ts ignore
 * import { connect } from "@env/env-event-stream";
 *
 * await using broker = await connect("postgres://user:pass@localhost/events");
 * await broker.publish("orders", "order.placed", { total: 7 });
 *
 * const ca = await Deno.readTextFile("/etc/ssl/db.pem"); // of an authority of your own
 * await using remote = await connect("postgres://user:pass@db.example.org/events", { ca });
 * ```
 */
// deno-lint-ignore no-explicit-any -- without a map every topic, type and payload goes
export async function connect<E = any>(
  url: string,
  options?: DatabaseBrokerOptions,
): Promise<EventBroker<E>>;
/**
 * Connects to the broker of a daemon: the interface of `EventBroker`, over its socket. Rejects with
 * `NoDaemonError` if nothing answers there, and with `ProtocolMismatchError` if the daemon has
 * another protocol version.
 *
 * ```ts
 * import { connect } from "@env/env-event-stream";
 *
 * await using broker = await connect({ socket: "/run/user/1000/evs/evs.sock" });
 * broker.subscribe("orders", (event) => console.log(event.payload), { name: "printer" });
 * await broker.publish("orders", "order.placed", { total: 7 });
 * ```
 */
// deno-lint-ignore no-explicit-any -- without a map every topic, type and payload goes
export async function connect<E = any>(options?: ConnectOptions): Promise<RemoteBroker<E>>;
/**
 * Either of them.
 * @example `await connect("postgres://localhost/events")`, `await connect({ socket: "/run/evs.sock" })`
 */
// deno-lint-ignore no-explicit-any -- as above
export async function connect<E = any>(
  to: string | ConnectOptions = {},
  options: DatabaseBrokerOptions = {},
): Promise<EventBroker<E> | RemoteBroker<E>> {
  if (typeof to !== "string") return await connectToDaemon<E>(to);
  refuseUnknown(options, { of: "connect", known: DATABASE_OPTIONS });
  const { openSharedBroker } = await import("../../broker/shared_broker.ts");
  return await openSharedBroker<E>(to, options);
}

// deno-lint-ignore no-explicit-any -- as above
async function connectToDaemon<E = any>(options: ConnectOptions): Promise<RemoteBroker<E>> {
  refuseUnknown(options, { of: "connect", known: CONNECT_OPTIONS });
  const { RemoteBroker } = await import("./remote_broker.ts");
  const paths = pathsOf(options.socket);
  // Report a daemon that does not answer now; later on, one may stand still for a while and
  // recover.
  using first = new Client({
    socket: new DaemonAddress({ paths, clock: systemClock, watch: true }),
  });
  await first.status();
  return new RemoteBroker<E>({
    socket: new DaemonAddress({ paths, clock: systemClock, watch: false }),
    patienceMs: options.patienceMs ?? 30_000,
    handlerGraceMs: options.handlerGraceMs ?? 30_000,
    tracing: options.tracing ?? true,
    clock: options.clock ?? systemClock,
    onError: guarded(options.onError ?? toConsole),
    // deno-lint-ignore no-console -- the default if the application gives no callback
    onNotice: options.onNotice ?? ((text) => console.warn(`env-event-stream: ${text}`)),
  });
}

/** A given socket is the only candidate; otherwise the environment decides. */
function pathsOf(socket: string | undefined): Paths {
  if (socket === undefined) return resolvePaths(environment);
  return { socket, dataDir: folderOf(socket), config: "", chosen: "socket" };
}
