/**
 * HTTP/1.1 on the Unix socket: limits, protocol numbers, and one signal per connection. Accepting
 * is in acceptor.ts.
 */
import http from "node:http";
import type net from "node:net";
import { PROTOCOL, PROTOCOL_HEADER } from "../../core/protocol/constants.ts";
import { systemClock } from "../../core/base/clock.ts";
import { EvsError, InvalidArgumentError, ProtocolMismatchError } from "../../core/base/errors.ts";
import { Acceptor } from "./acceptor.ts";
import {
  connectionLimit,
  countDescriptors,
  descriptorsFor,
  FIRST_LOOK,
  freeDescriptors,
  LONGEST_QUEUE,
} from "./descriptors.ts";
import { DepartedConsumers } from "./departed_consumers.ts";
import { Connections, MOST_PIPELINED } from "./connections.ts";
import { drainingError } from "./draining_error.ts";
import type { Services } from "../services.ts";
import { checkRequest } from "./json_route.ts";
import { rawResponse } from "./raw_response.ts";
import { RequestTimeouts } from "./request_timeouts.ts";
import { protectSocket, removeSocket } from "../socket.ts";
import {
  BODY_IDLE,
  isLogged,
  MethodNotAllowedError,
  type Route,
  Router,
  type RouteRequest,
  sendError,
} from "./router.ts";

/** The supported methods. */
const METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE"] as const;
/** Headers must be complete within this time, ms (contract row 18). */
const HEADERS_TIMEOUT = 5000;
/** How often to check for half-open requests, ms; only while there are connections. */
const CHECKING_INTERVAL = 1000;
/**
 * To resume, a tail of a pattern sends its position in every topic: this leaves room for thousands.
 */
const MAX_HEADER_BYTES = 256 * 1024;
/** How long to keep an idle connection: consumers and publishers come back. */
const KEEP_ALIVE = 10 * 60_000;

/** Descriptors used for listening and for signals. */
const LISTENING = 4;
/** The most bytes to discard of a body whose request was answered without reading it. */
const UNREAD_BODY = 64 * 1024;

/** A daemon's server. */
export interface Server {
  /**
   * Stops accepting, lets requests in flight finish, refuses later ones; resolves when no
   * connection is left.
   */
  drain(deadline: AbortSignal): Promise<void>;
  /** Listens again after the socket file has disappeared. */
  listenAnew(): Promise<void>;
}

/** Serves the routes on the socket; resolves once it listens. */
export async function listen(services: Services, routes: readonly Route[]): Promise<Server> {
  const stopping = new AbortController();
  const departed = new DepartedConsumers({
    clock: systemClock,
    release: (name) =>
      services.broker.subscriptions.releaseConsumer(name, { isOrdered: stopping.signal.aborted }),
  });
  const connections = new Connections({
    closed: (connection) => departed.left(connection),
    refused: () => services.metrics.refusedConnections++,
  }, { clock: systemClock });
  services.connections = () => connections.size;
  const server = createServer(
    new RequestHandler({
      services,
      router: new Router(routes),
      connections,
      stopping: stopping.signal,
    }),
    connections,
  );
  const timeouts = new RequestTimeouts(server, { clock: systemClock });
  const acceptor = new Acceptor({
    socket: services.socket,
    clock: systemClock,
    hasDescriptor: () => freeDescriptors(services.dataDir, 1) > 0,
    protect: () => protectSocket(services.socket, services.socketGroup),
    remove: () => removeSocket(services.socket),
    connection(socket) {
      services.spool?.visited();
      if (!connections.admit(socket)) return;
      timeouts.begin();
      server.emit("connection", socket);
      socket.once("close", () => connections.size === 0 && timeouts.end());
    },
    recovered: () => {
      services.metrics.descriptorExhaustions++;
      services.log.logger.warning(
        "no descriptor was left to accept a connection with; it goes on",
        {
          connections: connections.size,
          maxConnections: connections.limit,
        },
      );
    },
    failed: (error) => services.fatal(error, "the socket cannot be listened at"),
  });
  const descriptors = lookForDescriptors(services);
  connections.limit = descriptors.limit;
  await acceptor.listen(descriptors.queue);
  limitConnections(services, { connections, plenty: descriptors.plenty })
    .catch((error) => services.unexpected(error, "counting descriptors"));
  return {
    listenAnew: () => acceptor.anew(),
    async drain(deadline) {
      stopping.abort();
      await acceptor.close();
      await connections.drain(deadline);
      departed.stop();
      server.close();
    },
  };
}

/** Node's server. It never listens itself: acceptor.ts passes it connections. */
function createServer(handler: RequestHandler, connections: Connections): http.Server {
  const server = http.createServer({
    headersTimeout: HEADERS_TIMEOUT,
    // An upload may take as long as data keeps arriving: the body has its own idle timeout
    // (router.ts).
    requestTimeout: 0,
    connectionsCheckingInterval: CHECKING_INTERVAL,
    keepAliveTimeout: KEEP_ALIVE,
    maxHeaderSize: MAX_HEADER_BYTES,
    noDelay: false,
    requireHostHeader: false, // Node would refuse it without a word: checkHost has some
  }, (request, reply) => {
    void handler.handle(request, reply);
  });
  server.on(
    "clientError",
    (error: NodeJS.ErrnoException, socket: net.Socket) => badRequest(error, socket),
  );
  // By default Node would answer without an error text.
  server.on("checkExpectation", (request, reply) => void handler.handle(request, reply));
  // By default Node would close the connection without an error text.
  server.on("connect", (_, socket) => void refuseTunnel(socket as net.Socket, connections));
  // A server that does not listen ends each connection after one response, like one that is
  // closing.
  Object.defineProperty(server, "listening", { value: true });
  return server;
}

/**
 * How many connections there may be, and how many may wait to be accepted: they get the descriptors
 * that the databases leave.
 */
function lookForDescriptors(
  { dataDir, config: { maxConnections: wanted } }: Services,
): { plenty: boolean; limit: number; queue: number } {
  const free = freeDescriptors(dataDir, FIRST_LOOK) - LISTENING;
  const plenty = free >= FIRST_LOOK - LISTENING;
  if (plenty) return { plenty, limit: wanted, queue: LONGEST_QUEUE };
  const limit = connectionLimit(free, wanted);
  return { plenty, limit, queue: free - limit };
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
    router: Router;
    connections: Connections;
    /** Aborted when the daemon stops. */
    stopping: AbortSignal;
  };

  constructor(context: {
    services: Services;
    router: Router;
    connections: Connections;
    stopping: AbortSignal;
  }) {
    this.#context = context;
  }

  async handle(raw: http.IncomingMessage, reply: http.ServerResponse): Promise<void> {
    const { services, router, connections, stopping } = this.#context;
    const { socket } = raw; // later it may no longer have one
    const connection = connections.of(socket);
    if (!connection) return void socket.destroy(); // it closed meanwhile
    const turn = connection.begin(reply);
    if (turn === false) return endPipeline(services, socket);
    services.metrics.requests++;
    services.rest.note();
    reply.setHeader(PROTOCOL_HEADER, String(PROTOCOL));
    reply.prependOnceListener("finish", () => endUnreadBody(raw, socket));
    try {
      checkHost(raw);
      checkProtocol(raw);
      checkExpectation(raw);
      if (stopping.aborted) {
        // The body is read, so that the connection stays usable and pipelined requests are
        // answered too.
        await passOver(raw);
        throw drainingError();
      }
      const { path, query } = targetOf(raw);
      const { route, params } = router.find(raw.method ?? "GET", path);
      let signal: AbortSignal | undefined;
      const request: RouteRequest = {
        params,
        query,
        raw,
        services,
        // Few routes use it, and it costs more than the rest of them together.
        get signal() {
          return signal ??= AbortSignal.any([stopping, connection.signal]);
        },
        connection: connection.name,
        keepLeasesFor: (ms) => void (connection.lingerMs = ms),
      };
      if (!route.pipelined) await turn;
      const checked = checkRequest(route, request);
      if (checked) await checked;
      await route.handle(request, reply);
    } catch (error) {
      // The client is gone; a pending wait then ends with the signal's own reason.
      if (wentAway(error) || (connection.signal.aborted && error === connection.signal.reason)) {
        return;
      }
      if (isLogged(error)) services.unexpected(error, `${raw.method} ${raw.url}`);
      else services.disk.note(error);
      sendError(reply, error);
    }
  }
}

/**
 * Answers `CONNECT` after the requests before it, and closes the connection: what follows is not
 * HTTP.
 */
async function refuseTunnel(socket: net.Socket, connections: Connections): Promise<void> {
  const connection = connections.of(socket);
  if (!connection) return void socket.destroy(); // it closed meanwhile
  socket.on("error", () => socket.destroy());
  await connection.answered();
  const error = new MethodNotAllowedError("CONNECT is for proxies, and this is none", METHODS, {
    hint: "schemas/openapi.json lists what is served",
  });
  const answer = rawResponse("405 Method Not Allowed", error, {
    headers: `allow: ${METHODS.join(", ")}\r\n`,
  });
  socket.end(answer, () => socket.destroy());
}

/** True for the error of a body whose client disconnected in the middle of it. */
function wentAway(error: unknown): boolean {
  return ["ECONNRESET", "ERR_STREAM_PREMATURE_CLOSE"].includes(
    (error as { code?: string })?.code ?? "",
  );
}

/**
 * The path and query of a request, as sent. `URL` would resolve dot segments, even escaped ones: a
 * topic called `..` would reach another route instead of being refused as a name (contract row 24).
 */
function targetOf({ url = "/" }: http.IncomingMessage): { path: string; query: URLSearchParams } {
  if (url.startsWith("/")) {
    const at = url.indexOf("?");
    if (at < 0) return { path: url, query: new URLSearchParams() };
    return { path: url.slice(0, at), query: new URLSearchParams(url.slice(at)) };
  }
  // A request to a proxy has the whole URL.
  const whole = URL.parse(url, "http://localhost");
  if (whole) return { path: whole.pathname, query: whole.searchParams };
  throw new InvalidArgumentError(`the request's path is no path: ${quoted(url)}`);
}

/** A client's text, shortened for an error. */
function quoted(text: string): string {
  return JSON.stringify(text.slice(0, 80));
}

/** RFC 9112, 3.2. */
function checkHost({ httpVersion, rawHeaders }: http.IncomingMessage): void {
  let hosts = 0;
  // If there are several, Node silently keeps the first.
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const name = rawHeaders[i]!;
    if (name.length === 4 && name.toLowerCase() === "host") hosts++;
  }
  if (hosts === 1 || (hosts === 0 && httpVersion !== "1.1")) return;
  throw new InvalidArgumentError(
    hosts === 0
      ? "a request of HTTP/1.1 has a Host header"
      : `a request has one Host header, not ${hosts}`,
    { code: "request/invalid" },
  );
}

function checkProtocol(request: http.IncomingMessage): void {
  const theirs = request.headers[PROTOCOL_HEADER];
  if (theirs === undefined || theirs === String(PROTOCOL)) return;
  throw new ProtocolMismatchError(
    `the client speaks protocol ${quoted(String(theirs))}, this daemon speaks ${PROTOCOL}`,
    {
      details: { client: theirs, daemon: PROTOCOL },
      hint: "use the evs that came with the daemon, or: evs daemon stop && evs daemon start",
    },
  );
}

/** RFC 9110, 10.1.1: only `100-continue` may be expected, and Node has already answered that. */
function checkExpectation({ headers: { expect } }: http.IncomingMessage): void {
  if (expect === undefined || /^100-continue$/i.test(expect.trim())) return;
  const kind = { code: "request/expectation-failed", status: 417, exit: 2 };
  throw new EvsError(kind, `nothing but 100-continue can be expected, not ${quoted(expect)}`);
}

/** A client keeps sending requests without reading the responses. */
function endPipeline(services: Services, socket: net.Socket): void {
  if (socket.destroyed) return;
  services.metrics.refusedConnections++;
  services.log.logger.warning(
    "a connection had more than {most} requests under way; it was ended",
    {
      most: MOST_PIPELINED,
    },
  );
  socket.destroy();
}

/** Discards the rest of a request if it is small. */
function passOver(raw: http.IncomingMessage): Promise<void> {
  return new Promise((resolve) => {
    let left = UNREAD_BODY;
    raw.on("data", (chunk: Uint8Array) => {
      left -= chunk.length;
      if (left < 0) resolve();
    });
    for (const event of ["end", "error", "close"]) raw.once(event, () => resolve());
  });
}

/**
 * A request was answered before it was complete: the rest must be small and arrive soon (contract
 * row 18).
 */
function endUnreadBody(raw: http.IncomingMessage, socket: net.Socket): void {
  if (raw.complete || socket.destroyed) return;
  // Node discards, without end and uncounted, what follows a request that nobody has begun to read.
  raw.read(0);
  let left = UNREAD_BODY;
  const timer = setTimeout(() => socket.destroy(), BODY_IDLE);
  raw.on("data", (chunk: Uint8Array) => {
    left -= chunk.length;
    if (left < 0) socket.destroy();
  });
  raw.once("end", () => clearTimeout(timer));
  socket.once("close", () => clearTimeout(timer));
}

/** Answers what is not HTTP, or too late, with an error if that is still possible. */
function badRequest(error: NodeJS.ErrnoException, socket: net.Socket): void {
  if (error.code === "ECONNRESET" || !socket.writable) {
    socket.destroy();
    return;
  }
  const late = error.code === "ERR_HTTP_REQUEST_TIMEOUT";
  const tooLarge = error.code === "HPE_HEADER_OVERFLOW";
  const status = late
    ? "408 Request Timeout"
    : tooLarge
    ? "431 Request Header Fields Too Large"
    : "400 Bad Request";
  const message = late
    ? "the headers did not come in time"
    : tooLarge
    ? `the request's line and headers are longer than ${MAX_HEADER_BYTES} bytes`
    : "this is not HTTP/1.1";
  const code = late ? "request/timeout" : "request/invalid";
  const kind = { code, status: Number(status.slice(0, 3)), exit: 2 };
  const about = tooLarge
    ? {
      details: { limit: MAX_HEADER_BYTES },
      hint:
        "a Last-Event-ID of that length names very many topics: follow fewer, or use from=@TIME",
    }
    : {};
  socket.end(rawResponse(status, new EvsError(kind, message, about)));
}
