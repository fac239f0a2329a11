/**
 * Maps a request to its route. A route's error becomes a response with its code; an unexpected
 * error is logged with its stack and counted, and affects only its request.
 */
import { Buffer } from "node:buffer";
import type http from "node:http";
import {
  EventRefusedError,
  EvsError,
  InternalError,
  InvalidArgumentError,
  NotFoundError,
} from "../../core/base/errors.ts";
import { faultPosition, place } from "../../core/json/json.ts";
import { setPatientTimer } from "../../core/base/standstill.ts";
import { systemClock } from "../../core/base/clock.ts";
import { nearest } from "../../core/base/suggest.ts";
import { Chunks } from "./chunks.ts";
import { drainingError } from "./draining_error.ts";
import type { Services } from "../services.ts";
import { turn } from "../../core/base/in_turns.ts";
import type { ObjectShape, Parameters } from "./shape.ts";
import { isJsonObject } from "../../core/json/json_object.ts";

/** What a route receives. */
export interface RouteRequest {
  /** The decoded parts of the path. */
  params: Record<string, string>;
  query: URLSearchParams;
  raw: http.IncomingMessage;
  services: Services;
  /** Aborted when the connection closes or the daemon stops. */
  signal: AbortSignal;
  /** Identifies the connection: leases may be bound to it. */
  connection: string;
  /** How long to keep leases of this connection after it has closed, ms. */
  keepLeasesFor(ms: number): void;
}

/**
 * One route of the daemon. A request that does not match its declaration is refused before it is
 * called.
 */
export interface Route {
  method: "GET" | "POST" | "PUT" | "PATCH" | "DELETE";
  /** `/v1/topics/{topic}`: a part in braces is a parameter. */
  path: string;
  /** The parameters of its query; absent: none. */
  query?: Parameters;
  /** Its body; absent: none. */
  body?: RouteBody;
  /** It starts before earlier responses have been sent, and keeps the order itself. */
  pipelined?: true;
  handle(request: RouteRequest, reply: http.ServerResponse): Promise<void> | void;
}

/** A body: one JSON object, or something that the route reads itself. */
export interface RouteBody {
  shape: ObjectShape<unknown> | "raw";
  required: boolean;
}

/** The maximum body of a request that is one small JSON object. */
const MAX_REQUEST_BODY = 1024 * 1024;
/** A body that has started is dropped after this long without a byte (contract row 18), ms. */
export const BODY_IDLE = 10_000;
/**
 * After this many pieces of a body, other work gets a turn: a piece may be one byte, with the next
 * one already there.
 */
const PIECES_A_TURN = 64;
/**
 * While the daemon stops, a body that has started may take this long to end, ms (contract row 19).
 */
const REST_OF_BODY = 1000;

/** Finds routes by method and path. */
export class Router {
  readonly routes: readonly Route[];
  readonly #compiled: { route: Route; parts: string[] }[];

  constructor(routes: readonly Route[]) {
    this.routes = routes;
    // As in OpenAPI, a literal path takes precedence over one with a parameter in its place.
    this.#compiled = routes.map((route) => ({ route, parts: route.path.split("/") }))
      .sort((a, b) => parametersOf(a.parts) - parametersOf(b.parts));
  }

  /** Finds the route of a request; throws an error that suggests similar paths. */
  find(method: string, path: string): { route: Route; params: Record<string, string> } {
    const parts = path.split("/").map(decodePart);
    const allowed: string[] = [];
    let served: string | undefined;
    for (const { route, parts: pattern } of this.#compiled) {
      const params = matchParts(pattern, parts);
      if (!params || route.path !== (served ??= route.path)) continue;
      if (route.method === method || (method === "HEAD" && route.method === "GET")) {
        return { route, params };
      }
      allowed.push(route.method);
    }
    if (allowed.length > 0) {
      throw new MethodNotAllowedError(
        `${path} takes ${allowed.join(", ")}, not ${method}`,
        allowed,
      );
    }
    const near = nearest(path, this.routes.map((route) => route.path));
    throw new NotFoundError("route", `nothing is served at ${path}`, {
      hint: near.length > 0
        ? `did you mean ${near[0]}?`
        : "schemas/openapi.json lists what is served",
    });
  }
}

/** The path exists, but not for this method. */
export class MethodNotAllowedError extends EvsError {
  readonly allowed: readonly string[];

  constructor(message: string, allowed: readonly string[], options: { hint?: string } = {}) {
    super({ code: "route/method-not-allowed", status: 405, exit: 2 }, message, options);
    this.allowed = allowed;
  }
}

function parametersOf(parts: readonly string[]): number {
  return parts.filter((part) => part.startsWith("{")).length;
}

function decodePart(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch (cause) {
    throw new InvalidArgumentError(`the path has a bad percent escape: ${JSON.stringify(part)}`, {
      cause,
    });
  }
}

function matchParts(
  pattern: readonly string[],
  parts: readonly string[],
): Record<string, string> | undefined {
  if (pattern.length !== parts.length) return undefined;
  const params: Record<string, string> = {};
  for (let i = 0; i < pattern.length; i++) {
    const expected = pattern[i]!;
    const part = parts[i]!;
    if (expected.startsWith("{")) {
      if (part === "") return undefined;
      params[expected.slice(1, -1)] = part;
    } else if (expected !== part) return undefined;
  }
  return params;
}

/** Sends JSON on one line. */
export function sendJson(reply: http.ServerResponse, status: number, body: unknown): void {
  if (reply.destroyed || reply.writableEnded) return;
  const text = `${JSON.stringify(body)}\n`;
  reply.writeHead(status, {
    "content-type": "application/json",
    "content-length": Buffer.byteLength(text),
  });
  // A string is sent together with the headers, in one piece.
  reply.end(text);
}

/** Sends bytes. */
export function sendBytes(
  reply: http.ServerResponse,
  { status, type, bytes }: { status: number; type: string; bytes: Uint8Array },
): void {
  if (reply.destroyed || reply.writableEnded) return;
  reply.writeHead(status, { "content-type": type, "content-length": bytes.length });
  reply.end(bytes);
}

/**
 * Sends an error; an unexpected one is reported as our bug. If the response has started, the
 * connection is closed.
 */
export function sendError(reply: http.ServerResponse, error: unknown): void {
  const known = asEvsError(error);
  if (reply.headersSent) {
    reply.destroy();
    return;
  }
  if (known instanceof MethodNotAllowedError) reply.setHeader("allow", known.allowed.join(", "));
  // The rest of a refused body is not read, so the connection cannot be reused.
  if (!reply.req.complete) reply.shouldKeepAlive = false;
  sendJson(reply, known.status, { error: known.toBody() });
}

/** The error itself, or an internal error that wraps it. */
export function asEvsError(error: unknown): EvsError {
  if (error instanceof EvsError) return error;
  return new InternalError("the daemon failed at this request; the log has the details", {
    cause: error,
    hint: "evs daemon logs",
  });
}

/** True for unexpected errors and our own bugs: they are logged with their stack, and counted. */
export function isUnexpected(error: unknown): boolean {
  return !(error instanceof EvsError) || error instanceof InternalError;
}

/**
 * True for errors that belong in the log: unexpected ones, and a validator that failed, which
 * refuses only one event.
 */
export function isLogged(error: unknown): boolean {
  return isUnexpected(error) ||
    (error instanceof EvsError && error.code === "event/validator-failed");
}

/**
 * The body as it arrives. Throws if it stalls, if the daemon stops and the rest does not arrive
 * soon, and if the connection breaks; it never ends early without an error.
 */
export async function* bodyOf(request: RouteRequest): AsyncGenerator<Uint8Array, void, undefined> {
  const { raw } = request;
  if (raw.complete && !raw.destroyed) {
    // A small body has arrived together with its headers: there is nothing to wait for.
    for (let piece = raw.read(); piece !== null; piece = raw.read()) yield plainView(piece);
    return;
  }
  const { signal } = request;
  const stalled = () =>
    raw.destroy(
      new EventRefusedError(
        "event/invalid-payload",
        `the body stopped for ${BODY_IDLE / 1000} s and was given up`,
      ),
    );
  const chunks = raw[Symbol.asyncIterator]();
  let late = false;
  let wait = newWait();
  let ending: ReturnType<typeof setTimeout> | undefined;
  const stopping = () => {
    ending ??= setTimeout(() => {
      late = true;
      wait.reject(drainingError());
    }, REST_OF_BODY);
  };
  if (signal.aborted) stopping();
  signal.addEventListener("abort", stopping, { once: true });
  let cancelTimer = setPatientTimer(systemClock, stalled, BODY_IDLE);
  let pieces = 0;
  try {
    for (;;) {
      chunks.next().then(wait.resolve, wait.reject);
      const { value, done } = await wait.promise;
      cancelTimer();
      if (done) return;
      if (late) throw drainingError();
      wait = newWait();
      yield plainView(value as Uint8Array);
      if (++pieces % PIECES_A_TURN === 0) await turn();
      cancelTimer = setPatientTimer(systemClock, stalled, BODY_IDLE);
    }
  } finally {
    cancelTimer();
    clearTimeout(ending);
    signal.removeEventListener("abort", stopping);
    // If the daemon is stopping, the body is left alone: the response goes out on the same
    // connection.
    if (!late) await chunks.return?.();
  }
}

/** A promise for one piece of a body. If nobody awaits it when it rejects, that is not an error. */
function newWait(): PromiseWithResolvers<IteratorResult<unknown>> {
  const wait = Promise.withResolvers<IteratorResult<unknown>>();
  wait.promise.catch(() => {});
  return wait;
}

/** A Node Buffer searches and slices several times slower than the plain array underneath. */
function plainView({ buffer, byteOffset, byteLength }: Uint8Array): Uint8Array {
  return new Uint8Array(buffer, byteOffset, byteLength);
}

/**
 * The body as one JSON object; `{}` if there is none and none is required. Throws
 * `InvalidArgumentError` that says where it is wrong.
 */
export async function readJson(
  request: RouteRequest,
  { limit = MAX_REQUEST_BODY, required = false }: { limit?: number; required?: boolean } = {},
): Promise<Record<string, unknown>> {
  const text = utf8(await readBody(request, { limit }));
  if (/^[ \t\r\n]*$/.test(text)) {
    if (!required) return {};
    throw new InvalidArgumentError("the body is missing: it is a JSON object", {
      hint: "send {} to say nothing",
    });
  }
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    const { line, column } = place(text, faultPosition(text));
    throw new InvalidArgumentError(`the body is not JSON at line ${line}, column ${column}`, {
      cause,
      details: { line, column },
    });
  }
  if (isJsonObject(value)) return value;
  throw new InvalidArgumentError("the body is not a JSON object");
}

function utf8(bytes: Uint8Array): string {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch (cause) {
    throw new InvalidArgumentError("the body is not UTF-8", { cause });
  }
}

/** The whole body, up to a limit. */
export async function readBody(
  request: RouteRequest,
  { limit }: { limit: number },
): Promise<Uint8Array> {
  const whole = new Chunks();
  for await (const chunk of bodyOf(request)) {
    if (whole.length + chunk.length > limit) {
      throw new InvalidArgumentError(`the body is longer than ${limit} bytes`, {
        code: "argument/too-large",
        details: { limit },
      });
    }
    whole.push(chunk);
  }
  return whole.take();
}
