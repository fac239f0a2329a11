/**
 * The dashboard's server: the page, the way in, and what is passed on to the daemon.
 *
 * It is `node:http`, which has limits for all that a client can leave unfinished; memory is not as
 * tight here as in the daemon.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import type { Clock } from "../../core/base/clock.ts";
import { EvsError, ExitCode } from "../../core/base/errors.ts";
import { inUrl, type ListenAddress, ownNames } from "./address.ts";
import type { Asset } from "./assets.ts";
import {
  type AskedHead,
  checkAddressed,
  checkOrigin,
  hasSession,
  noSession,
  pathOf,
  queryOf,
  refusal,
  scraperToken,
} from "./guard.ts";
import { effectOn } from "./offered.ts";
import type { OwnRoute } from "./own_routes.ts";
import { passOn, type PassOnOptions, wantsStream } from "./pass_on.ts";
import { answerAsset, answerError, answerWords, begin } from "./replies.ts";
import { isSecret, type Secrets } from "./secrets.ts";
import { Slots } from "./slots.ts";
import { WrongTokens } from "./wrong_tokens.ts";

/** Limits for what a client leaves unfinished. */
export const LIMITS = {
  connections: 128,
  headBytes: 16 * 1024,
  headMs: 5_000,
  requestMs: 60_000,
  idleMs: 5_000,
  checkMs: 1_000,
} as const;

/** What a server needs. */
export interface DashboardOptions extends PassOnOptions {
  address: ListenAddress;
  secrets: Secrets;
  /** For a scraper; undefined if there is none. */
  scrapeToken: string | undefined;
  assets: ReadonlyMap<string, Asset>;
  own: ReadonlyMap<string, OwnRoute>;
  clock: Clock;
  /** Says something to whoever started it. */
  say: (text: string) => void;
  /** Called when somebody has come in by the link. */
  entered: () => void;
}

/** A server that listens. */
export interface Dashboard {
  /** With the port that it has. */
  address: ListenAddress;
  /** Ends all connections. */
  close(): Promise<void>;
}

/** Starts it; resolves once it listens. */
export async function serveDashboard(options: DashboardOptions): Promise<Dashboard> {
  const handler = new Handler(options);
  const server = createServer({
    maxHeaderSize: LIMITS.headBytes,
    headersTimeout: LIMITS.headMs,
    requestTimeout: LIMITS.requestMs,
    keepAliveTimeout: LIMITS.idleMs,
    connectionsCheckingInterval: LIMITS.checkMs,
  }, (request, response) => void handler.handle(request, response));
  server.maxConnections = LIMITS.connections;
  const port = await listen(server, options.address);
  const address = { ...options.address, port };
  handler.listens(address);
  return {
    address,
    async close() {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      server.closeAllConnections();
      await closed;
    },
  };
}

async function listen(server: Server, { hostname, port }: ListenAddress): Promise<number> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  server.once("error", reject);
  server.listen(port, hostname, resolve);
  try {
    await promise;
  } catch (error) {
    throw listenError(error, { hostname, port });
  }
  return (server.address() as AddressInfo).port;
}

function listenError(error: unknown, address: ListenAddress): unknown {
  const code = (error as { code?: string }).code;
  if (code === "EADDRINUSE") {
    return new EvsError(
      { code: "dashboard/port-taken", status: 409, exit: ExitCode.Conflict },
      `something else listens at ${inUrl(address)}, perhaps another evs dashboard`,
      { hint: `evs dashboard --listen ${inUrl({ ...address, port: 0 })}`, cause: error },
    );
  }
  return new EvsError(
    { code: "system/refused", status: 500, exit: ExitCode.CannotStore },
    `the system does not let this user listen at ${inUrl(address)}: ${(error as Error).message}`,
    { cause: error },
  );
}

/** Handles requests. */
class Handler {
  readonly #options: DashboardOptions;
  readonly #wrongTokens: WrongTokens;
  readonly #slots = new Slots();
  #names: ReadonlySet<string> = new Set();
  #cookieName = "";

  constructor(options: DashboardOptions) {
    this.#options = options;
    this.#wrongTokens = new WrongTokens(options);
  }

  listens(address: ListenAddress): void {
    this.#names = ownNames(address);
    // Browsers send cookies to all ports of a host: each dashboard has its own name for its own.
    this.#cookieName = `evs-dashboard-${address.port}`;
  }

  async handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    try {
      await this.#answer(request, response);
    } catch (error) {
      if (response.destroyed) return;
      answerError(response, error instanceof EvsError ? error : unexpected(error, this.#options));
    }
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const head = headOf(request);
    checkAddressed(head, this.#names);
    const path = pathOf(head.target);
    const asset = this.#options.assets.get(path);
    if (asset !== undefined) return this.#page(response, { head, asset });
    checkOrigin(head);
    const scraper = scraperToken(head);
    if (scraper === undefined) this.#checkSession(head);
    else if (!this.#isScraper(scraper)) return this.#wrong(response, "the token is wrong");
    const signal = goneSignal(response);
    await this.#slots.during(wantsStream(request), async () => {
      const own = this.#options.own.get(path);
      if (own !== undefined && head.method === "GET") {
        return await own(response, { query: queryOf(head.target), signal });
      }
      const effect = effectOn(head.method, path);
      if (effect === undefined) throw notOffered(head.method, path);
      await passOn({ request, response, effect, signal }, this.#options);
    });
  }

  /** A file of the page, or the way in: these need no session. */
  #page(response: ServerResponse, { head, asset }: { head: AskedHead; asset: Asset }): void {
    if (head.method !== "GET" && head.method !== "HEAD") {
      throw refusal({ code: "dashboard/not-offered", status: 405 }, "the page is read with GET");
    }
    const token = pathOf(head.target) === "/" ? queryOf(head.target).get("token") : null;
    if (token !== null) return this.#enter(response, token);
    const known = head.header("if-none-match");
    answerAsset(response, asset, { known, isHead: head.method === "HEAD" });
  }

  /** Exchanges the link's token for the two halves of a session. */
  #enter(response: ServerResponse, token: string): void {
    const { secrets, entered } = this.#options;
    if (!isSecret(token, secrets.token)) {
      return this.#wrong(
        response,
        "This link does not open the dashboard: evs dashboard was started anew, or a part of the\n" +
          "link is missing. Open the link that evs dashboard printed last.",
      );
    }
    entered();
    begin(response, 303, {
      location: `/#key=${secrets.key}`,
      "set-cookie": `${this.#cookieName}=${secrets.cookie}; HttpOnly; SameSite=Strict; Path=/`,
    });
    response.end();
  }

  #checkSession(head: AskedHead): void {
    const session = { secrets: this.#options.secrets, cookieName: this.#cookieName };
    if (!hasSession(head, session)) throw noSession();
  }

  #isScraper(token: string): boolean {
    const { scrapeToken } = this.#options;
    return scrapeToken !== undefined && isSecret(token, scrapeToken);
  }

  /** Answers a wrong token. */
  #wrong(response: ServerResponse, words: string): void {
    const seconds = this.#wrongTokens.count();
    const headers: Record<string, string> = { connection: "close" };
    if (seconds === undefined) return answerWords(response, { status: 401, words, headers });
    headers["retry-after"] = String(seconds);
    answerWords(response, { status: 429, words: "Too many wrong tokens.", headers });
  }
}

function headOf({ method = "", url = "", headers, rawHeaders }: IncomingMessage): AskedHead {
  const hosts = rawHeaders.filter((name, n) => n % 2 === 0 && name.toLowerCase() === "host");
  return {
    method,
    target: url,
    header: (name) => {
      // A second Host would be for a reader that takes the last one.
      if (name === "host" && hosts.length !== 1) return undefined;
      const value = headers[name];
      return Array.isArray(value) ? value.join(", ") : value;
    },
  };
}

/** Aborts when the client has gone, or the response is over. */
function goneSignal(response: ServerResponse): AbortSignal {
  const gone = new AbortController();
  response.once("close", () => gone.abort(new Error("the page has gone")));
  return gone.signal;
}

function notOffered(method: string, path: string): EvsError {
  const isKnown = path.startsWith("/v1/");
  return refusal(
    {
      code: isKnown ? "dashboard/not-offered" : "dashboard/not-found",
      status: isKnown ? 403 : 404,
    },
    isKnown
      ? `the dashboard does not pass on ${method} ${path.slice(0, 200)}`
      : "there is nothing at this address",
    isKnown ? { hint: "evs does it on the command line" } : {},
  );
}

function unexpected(error: unknown, { say }: DashboardOptions): EvsError {
  const message = error instanceof Error ? error.message : String(error);
  say(`a request failed unexpectedly: ${error instanceof Error ? error.stack : message}`);
  return new EvsError({ code: "internal/bug", status: 500, exit: ExitCode.Bug }, message);
}
