/** HTTP/1.1 on the Unix socket: limits, protocol numbers, and one signal per connection. */
import http from "node:http";
import type net from "node:net";
import { PROTOCOL, PROTOCOL_HEADER } from "../core/client/protocol.ts";
import { CannotStoreError, EvsError, ProtocolMismatchError } from "../core/errors.ts";
import type { Host } from "./host.ts";
import { asEvsError, type Route, Router, type RouteRequest, sendError } from "./router.ts";

/** Headers must be complete within this, ms (contract row 18). */
const HEADERS_TIMEOUT = 5000;
/** How often half-open requests are looked for, ms; only while there are connections. */
const CHECKING_INTERVAL = 1000;
/** A tail of a pattern that goes on after a break says where it stands in each of its topics: thousands of them fit. */
const MAX_HEADER_BYTES = 256 * 1024;
/** A connection between two requests is kept: consumers and publishers come back. */
const KEEP_ALIVE = 10 * 60_000;

/** A daemon's server. */
export interface Server {
  /** Stops accepting, lets what is in flight finish, ends what follows; resolves when no connection is left. */
  drain(deadline: AbortSignal): Promise<void>;
}

/** Serves the routes at the socket; resolves when it listens. */
export async function listen(host: Host, routes: readonly Route[]): Promise<Server> {
  const router = new Router(routes);
  const stopping = new AbortController();
  const connections = new Map<net.Socket, { name: string; closed: AbortController }>();
  let connected = 0;

  const server = http.createServer({
    headersTimeout: HEADERS_TIMEOUT,
    // An upload may take as long as it flows: the body has an idle limit of its own (router.ts).
    requestTimeout: 0,
    connectionsCheckingInterval: CHECKING_INTERVAL,
    keepAliveTimeout: KEEP_ALIVE,
    maxHeaderSize: MAX_HEADER_BYTES,
    noDelay: false,
  }, (request, reply) => {
    void answer(request, reply);
  });
  server.on("connection", (socket: net.Socket) => {
    if (connections.size >= host.config.maxConnections) {
      refuseBusy(host, socket);
      return;
    }
    const closed = new AbortController();
    connections.set(socket, { name: `connection-${++connected}`, closed });
    socket.on("close", () => {
      const entry = connections.get(socket);
      connections.delete(socket);
      entry?.closed.abort();
      if (entry) host.broker.subscriptions.releaseConsumer(entry.name);
    });
  });
  server.on(
    "clientError",
    (error: NodeJS.ErrnoException, socket: net.Socket) => badRequest(error, socket),
  );
  host.connections = () => connections.size;

  async function answer(raw: http.IncomingMessage, reply: http.ServerResponse): Promise<void> {
    host.metrics.requests++;
    reply.setHeader(PROTOCOL_HEADER, String(PROTOCOL));
    const connection = connections.get(raw.socket);
    try {
      checkProtocol(raw);
      if (stopping.signal.aborted) throw drainingError();
      const url = new URL(raw.url ?? "/", "http://localhost");
      const { route, params } = router.find(raw.method ?? "GET", url.pathname);
      const request: RouteRequest = {
        params,
        query: url.searchParams,
        raw,
        host,
        signal: AbortSignal.any([
          stopping.signal,
          ...(connection ? [connection.closed.signal] : []),
        ]),
        connection: connection?.name ?? "closed",
      };
      await route.handle(request, reply);
    } catch (error) {
      const foreseen = asEvsError(error) === error;
      // A body that broke off: the client went away, nobody is left to answer. One that we stopped reading (too long,
      // stalled) looks the same on the request, and is answered.
      if (!foreseen && raw.destroyed && !raw.complete) return;
      if (!foreseen) host.unexpected(error, `${raw.method} ${raw.url}`);
      sendError(reply, error);
    }
  }

  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(host.socket, () => {
      server.off("error", reject);
      resolve();
    });
  });
  server.on("error", (error: Error) => host.unexpected(error, "accepting a connection"));

  return {
    async drain(deadline) {
      stopping.abort();
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      server.closeIdleConnections();
      deadline.addEventListener("abort", () => server.closeAllConnections(), { once: true });
      await closed;
    },
  };
}

function drainingError(): EvsError {
  return new CannotStoreError("the daemon is stopping", {
    code: "daemon/stopping",
    hint: "evs daemon start, then send it again",
  });
}

function checkProtocol(request: http.IncomingMessage): void {
  const theirs = request.headers[PROTOCOL_HEADER];
  if (theirs === undefined || theirs === String(PROTOCOL)) return;
  throw new ProtocolMismatchError(
    `the client speaks protocol ${theirs}, this daemon speaks ${PROTOCOL}`,
    {
      details: { client: theirs, daemon: PROTOCOL },
      hint: "use the evs that came with the daemon, or: evs daemon stop && evs daemon start",
    },
  );
}

/** One connection too many: told in words, and not kept. */
function refuseBusy(host: Host, socket: net.Socket): void {
  host.metrics.refusedConnections++;
  const { maxConnections } = host.config;
  const error = new CannotStoreError(
    `the daemon has ${maxConnections} connections, and takes no more`,
    {
      code: "daemon/busy",
      hint: "close some, or raise max_connections in the config",
    },
  );
  socket.on("error", () => {}); // it is being closed: how that goes changes nothing
  socket.end(rawAnswer("503 Service Unavailable", error));
}

/** What is not HTTP, or not in time, is answered in words where it still can be. */
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
    ? "the headers are too long"
    : "this is not HTTP/1.1";
  const kind = { code: "request/invalid", status: Number(status.slice(0, 3)), exit: 2 };
  socket.end(rawAnswer(status, new EvsError(kind, message)));
}

function rawAnswer(status: string, error: EvsError): string {
  const body = `${JSON.stringify({ error: error.toBody() })}\n`;
  return `HTTP/1.1 ${status}\r\ncontent-type: application/json\r\ncontent-length: ${
    new TextEncoder().encode(body).length
  }\r\nconnection: close\r\n\r\n${body}`;
}
