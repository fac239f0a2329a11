/**
 * HTTP/1.1 on the Unix socket: common checks, the route, and the error response. Accepting is in
 * listener.ts, what a connection may do in connection.ts.
 */
import { PROTOCOL, PROTOCOL_HEADER } from "../../core/protocol/constants.ts";
import { systemClock } from "../../core/base/clock.ts";
import { EvsError, InvalidArgumentError, ProtocolMismatchError } from "../../core/base/errors.ts";
import { SocketListener } from "./listener.ts";
import { ConnectionGoneError, type Exchange, type ServerConnection } from "./connection.ts";
import { Connections } from "./connections.ts";
import {
  connectionLimit,
  countDescriptors,
  descriptorsFor,
  FIRST_LOOK,
  freeDescriptors,
  type Lack,
} from "./descriptors.ts";
import { DepartedConsumers } from "./departed_consumers.ts";
import { orFailed } from "./failed_error.ts";
import { drainingError } from "./draining_error.ts";
import type { Services } from "../services.ts";
import { checkBody } from "./json_route.ts";
import type { IncomingRequest, RequestBody } from "./request.ts";
import type { RequestHead } from "./request_head.ts";
import { type RequestTarget, RequestTargets } from "./request_target.ts";
import { protectSocket, removeSocket } from "../socket.ts";
import {
  isLogged,
  MethodNotAllowedError,
  type QuickFailure,
  type QuickRoute,
  type Route,
  Router,
  type RouteRequest,
  sendError,
} from "./router.ts";

/** The supported methods. */
const METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE"] as const;

/** Descriptors used for listening and for signals. */
const LISTENING = 4;
/** The most bytes to read of a body that comes while the daemon stops. */
const LATE_BODY = 64 * 1024;
const CLOSED = "the connection has closed";

/** A daemon's server. */
export interface Server {
  /**
   * Stops accepting, lets requests in flight finish, refuses later ones; resolves when no
   * connection is left.
   */
  drain(deadline: AbortSignal): Promise<void>;
  /** Listens again after the socket file has disappeared. */
  listenAnew(): void;
}

/** Serves the routes on the socket; resolves once it listens. */
export function listen(services: Services, routes: readonly Route[]): Promise<Server> {
  const stopping = new AbortController();
  const departed = new DepartedConsumers({
    clock: systemClock,
    release: (name) =>
      services.broker.subscriptions.releaseConsumer(name, { isOrdered: stopping.signal.aborted }),
  });
  const handler = new RequestHandler({
    services,
    targets: new RequestTargets(new Router(routes)),
    stopping: stopping.signal,
  });
  const connections = new Connections({
    requested: (_connection, exchange) => handler.begin(exchange),
    closed: (connection) => departed.left(connection),
    refused: () => services.metrics.refusedConnections++,
    failed: (error) => services.unexpected(error, "reading a connection"),
  }, { clock: systemClock });
  services.connections = () => connections.size;
  const listener = new SocketListener({
    socket: services.socket,
    clock: systemClock,
    protect: () => protectSocket(services.socket, services.socketGroup),
    remove: () => removeSocket(services.socket),
    connection: (conn) => {
      services.spool?.visited();
      connections.admit(conn);
    },
    recovered: (lack) => noteExhaustion(services, { lack, connections }),
    failed: (error) => services.fatal(error, "the socket cannot be listened at"),
  });
  const descriptors = lookForDescriptors(services);
  connections.limit = descriptors.limit;
  listener.listen();
  limitConnections(services, { connections, plenty: descriptors.plenty })
    .catch((error) => services.unexpected(error, "counting descriptors"));
  return Promise.resolve({
    listenAnew: () => listener.anew(),
    async drain(deadline) {
      stopping.abort();
      await listener.close();
      await connections.drain(deadline);
      departed.stop();
    },
  });
}

function noteExhaustion(
  { metrics, log }: Services,
  { lack, connections: { size, limit } }: { lack: Lack; connections: Connections },
): void {
  if (lack === "descriptor") metrics.descriptorExhaustions++;
  log.logger.warning(`no ${lack} was left to accept a connection with; it goes on`, {
    connections: size,
    maxConnections: limit,
  });
}

/** How many connections there may be: they get the descriptors that the databases leave. */
function lookForDescriptors(
  { dataDir, config: { maxConnections: wanted } }: Services,
): { plenty: boolean; limit: number } {
  const free = freeDescriptors(dataDir, FIRST_LOOK) - LISTENING;
  const plenty = free >= FIRST_LOOK - LISTENING;
  return { plenty, limit: plenty ? wanted : connectionLimit(free, wanted) };
}

/**
 * If the first look found plenty of descriptors, they are counted while the daemon is already
 * serving.
 */
async function limitConnections(
  { dataDir, config: { maxConnections: wanted }, log: { logger } }: Services,
  { connections, plenty }: { connections: Connections; plenty: boolean },
): Promise<void> {
  if (plenty) {
    const free = await countDescriptors(dataDir, descriptorsFor(wanted));
    connections.limit = connectionLimit(free + connections.size, wanted);
  }
  if (connections.limit >= wanted) return;
  logger.warning("the limit of open files leaves room for few connections", {
    maxConnections: connections.limit,
    wanted,
  });
}

/** Handles requests: common checks, the route, and the error response. */
class RequestHandler {
  readonly #context: {
    services: Services;
    targets: RequestTargets;
    /** Aborted when the daemon stops. */
    stopping: AbortSignal;
  };
  /** How to answer requests with heads that have been checked. */
  readonly #quick = new WeakMap<RequestHead, QuickRoute>();

  constructor(context: { services: Services; targets: RequestTargets; stopping: AbortSignal }) {
    this.#context = context;
  }

  /** Answers a request, at once or later. */
  begin(exchange: Exchange): void {
    const { request: raw } = exchange;
    const { services, stopping } = this.#context;
    services.metrics.requests++;
    services.rest.note();
    if (raw.method !== "GET") services.history.note();
    const quick = raw.head.isKept && !stopping.aborted ? this.#quick.get(raw.head) : undefined;
    if (quick === undefined || !quick.begin(exchange, this.#failed)) void this.#handle(exchange);
  }

  async #handle(exchange: Exchange): Promise<void> {
    const { connection, request: raw, reply } = exchange;
    const { services, targets, stopping } = this.#context;
    try {
      checkHost(raw);
      checkProtocol(raw);
      checkExpectation(raw);
      if (stopping.aborted) {
        // The body is read, so that the connection stays usable and pipelined requests are
        // answered too.
        await passOver(raw.body);
        throw drainingError();
      }
      if (raw.method === "CONNECT") throw noTunnel();
      const target = targets.of(raw);
      const { route } = target;
      const request = new ConnectionRequest(connection, { target, raw, services, stopping });
      if (!route.pipelined) await connection.turnOf(reply);
      target.checkQuery();
      const checked = checkBody(route, request);
      if (checked) await checked;
      // Closing ends the wait of all at once: they would be out of order, and for nobody.
      if (request.isGone && !route.pipelined) throw new ConnectionGoneError(CLOSED);
      await route.handle(request, reply);
      const quick = raw.head.isKept ? route.quick?.(request) : undefined;
      if (quick !== undefined) this.#quick.set(raw.head, quick);
      // What follows a refused line is passed over: the response to that closes the connection.
      reply.giveUp();
    } catch (error) {
      this.#failed(exchange, error);
    }
  }

  readonly #failed: QuickFailure = ({ connection, request: raw, reply }, error) => {
    const { services } = this.#context;
    // The client is gone; a pending wait then ends with the signal's own reason.
    const { signal } = connection;
    if (
      error instanceof ConnectionGoneError || (signal.aborted && error === signal.reason)
    ) return reply.giveUp();
    if (isLogged(error)) services.unexpected(error, `${raw.method} ${raw.url}`);
    else services.disk.note(error);
    // The rest of a refused body is not read, so the connection cannot be used again.
    if (!raw.body.isComplete) reply.keepAlive = false;
    sendError(reply, orFailed(error, services));
  };
}

/** A request as its route receives it. */
class ConnectionRequest implements RouteRequest {
  readonly params: Readonly<Record<string, string>>;
  readonly query: URLSearchParams;
  readonly raw: IncomingRequest;
  readonly services: Services;
  readonly #connection: ServerConnection;
  readonly #stopping: AbortSignal;
  #signal: AbortSignal | undefined;

  constructor(
    connection: ServerConnection,
    { target, raw, services, stopping }:
      & Pick<RouteRequest, "raw" | "services">
      & { target: RequestTarget; stopping: AbortSignal },
  ) {
    this.#connection = connection;
    this.#stopping = stopping;
    this.params = target.params;
    this.query = target.query;
    this.raw = raw;
    this.services = services;
  }

  /** Few routes use it, and it costs more than the rest of the request. */
  get signal(): AbortSignal {
    return this.#signal ??= AbortSignal.any([this.#stopping, this.#connection.signal]);
  }

  get isCut(): boolean {
    return this.#stopping.aborted || this.#connection.isClosed;
  }

  get isGone(): boolean {
    return this.#connection.isClosed;
  }

  get connection(): string {
    return this.#connection.name;
  }

  keepLeasesFor(ms: number): void {
    this.#connection.lingerMs = ms;
  }
}

/** A client's text, shortened for an error. */
function quoted(text: string): string {
  return JSON.stringify(text.slice(0, 80));
}

/** RFC 9112, 3.2. */
function checkHost(request: IncomingRequest): void {
  const hosts = request.count("host");
  if (hosts === 1 || (hosts === 0 && request.isHttp10)) return;
  throw new InvalidArgumentError(
    hosts === 0
      ? "a request of HTTP/1.1 has a Host header"
      : `a request has one Host header, not ${hosts}`,
    { code: "request/invalid" },
  );
}

function checkProtocol(request: IncomingRequest): void {
  const theirs = request.header(PROTOCOL_HEADER);
  if (theirs === undefined || theirs === String(PROTOCOL)) return;
  throw new ProtocolMismatchError(
    `the client speaks protocol ${quoted(theirs)}, this daemon speaks ${PROTOCOL}`,
    {
      details: { client: theirs, daemon: PROTOCOL },
      hint: "use the evs that came with the daemon, or: evs daemon stop && evs daemon start",
    },
  );
}

/** RFC 9110, 10.1.1: only `100-continue` may be expected. */
function checkExpectation(request: IncomingRequest): void {
  const expect = request.header("expect");
  if (expect === undefined || /^100-continue$/i.test(expect.trim())) return;
  const kind = { code: "request/expectation-failed", status: 417, exit: 2 };
  throw new EvsError(kind, `nothing but 100-continue can be expected, not ${quoted(expect)}`);
}

function noTunnel(): EvsError {
  return new MethodNotAllowedError("CONNECT is for proxies, and this is none", METHODS, {
    hint: "schemas/openapi.json lists what is served",
  });
}

/** Discards a body if it is small. */
async function passOver(body: RequestBody): Promise<void> {
  for (let left = LATE_BODY; left >= 0;) {
    const piece = body.take();
    if (piece !== undefined) left -= piece.length;
    else if (body.isComplete) return;
    else await body.arrival();
  }
}
