/**
 * Maps a request to its route. A route's error becomes a response with its code; an unexpected
 * error is logged with its stack and counted, and affects only its request.
 */
import {
  EvsError,
  InternalError,
  InvalidArgumentError,
  NotFoundError,
} from "../../core/base/errors.ts";
import { faultPosition, place } from "../../core/json/json.ts";
import { nearest } from "../../core/base/suggest.ts";
import { Chunks } from "./chunks.ts";
import type { Services } from "../services.ts";
import type { Exchange } from "./connection.ts";
import type { Reply } from "./reply.ts";
import type { IncomingRequest } from "./request.ts";
import type { ObjectShape, Parameters } from "./shape.ts";
import { isJsonObject } from "../../core/json/json_object.ts";
import { asReadError } from "../../core/store/read_error.ts";

/** What a route receives. */
export interface RouteRequest {
  /** The decoded parts of the path. */
  params: Readonly<Record<string, string>>;
  /** Other requests share it: it must not be changed. */
  query: URLSearchParams;
  raw: IncomingRequest;
  services: Services;
  /** Aborted when the client waits for nothing new, has gone, or the daemon stops. */
  signal: AbortSignal;
  /** Nobody takes the response any more, or the daemon stops: it is not worth going on. */
  isCut: boolean;
  /** The connection has closed: what the route would give it, nobody could give back. */
  isGone: boolean;
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
  handle(request: RouteRequest, reply: Reply): Promise<void> | void;
  /** Called after such a request was answered: how to answer others with the same head quickly. */
  quick?(request: RouteRequest): QuickRoute | undefined;
}

/** Answers requests that have the same head, which has been checked. */
export interface QuickRoute {
  /**
   * Begins to answer; true if it does. It throws nothing. An error that it cannot answer goes to
   * `failed`, at once or later.
   */
  begin(exchange: Exchange, failed: QuickFailure): boolean;
}

/** Answers a request with an error. */
export type QuickFailure = (exchange: Exchange, error: unknown) => void;

/** A body: one JSON object, or something that the route reads itself. */
export interface RouteBody {
  shape: ObjectShape<unknown> | "raw";
  required: boolean;
}

/** The maximum body of a request that is one small JSON object. */
const MAX_REQUEST_BODY = 1024 * 1024;

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
  if (!matches(pattern, parts)) return undefined;
  const params: Record<string, string> = {};
  for (let i = 0; i < pattern.length; i++) {
    const expected = pattern[i]!;
    if (expected.startsWith("{")) params[expected.slice(1, -1)] = parts[i]!;
  }
  return params;
}

function matches(pattern: readonly string[], parts: readonly string[]): boolean {
  if (pattern.length !== parts.length) return false;
  for (let i = 0; i < pattern.length; i++) {
    const expected = pattern[i]!;
    if (expected !== parts[i] && (!expected.startsWith("{") || parts[i] === "")) return false;
  }
  return true;
}

/** Sends JSON on one line. */
export function sendJson(reply: Reply, status: number, body: unknown): void {
  reply.send(status, { type: "application/json", body: `${JSON.stringify(body)}\n` });
}

/** Sends bytes. */
export function sendBytes(
  reply: Reply,
  { status, type, bytes }: { status: number; type: string; bytes: Uint8Array },
): void {
  reply.send(status, { type, body: bytes });
}

/**
 * Sends an error; an unexpected one is reported as our bug. If the response has started, the
 * connection is closed.
 */
export function sendError(reply: Reply, error: unknown): void {
  const known = asEvsError(error);
  if (reply.isBegun) return reply.abort();
  if (known instanceof MethodNotAllowedError) reply.header("allow", known.allowed.join(", "));
  const after = known.details?.["retryAfterMs"];
  if (typeof after === "number") reply.header("retry-after", String(Math.ceil(after / 1000)));
  sendJson(reply, known.status, { error: known.toBody() });
}

/** The error itself, or an internal error that wraps it. */
export function asEvsError(thrown: unknown): EvsError {
  const error = asReadError(thrown, "a file of the data dir");
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

const LOGGED = new Set(["event/validator-failed", "datadir/unreadable"]);

/**
 * True for errors that belong in the log: unexpected ones, a validator that failed, which refuses
 * only one event, and a disk that cannot be read.
 */
export function isLogged(error: unknown): boolean {
  return isUnexpected(error) || (error instanceof EvsError && LOGGED.has(error.code));
}

/**
 * The body as it arrives. Throws if it stalls, if the daemon stops and the rest does not arrive
 * soon, and if the connection breaks; it never ends early without an error.
 */
export async function* bodyOf(
  { raw: { body } }: RouteRequest,
): AsyncGenerator<Uint8Array, void, undefined> {
  for (;;) {
    const piece = body.take();
    if (piece !== undefined) yield piece;
    else if (body.isComplete) return;
    else await body.arrival();
  }
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

/** The whole body, up to a limit. `tooLong` makes another error than `argument/too-large`. */
export async function readBody(
  request: RouteRequest,
  { limit, tooLong = bodyTooLong }: { limit: number; tooLong?(limit: number): EvsError },
): Promise<Uint8Array> {
  const one = request.raw.body.takeWhole(limit);
  if (one !== undefined) return one;
  const whole = new Chunks();
  for await (const chunk of bodyOf(request)) {
    if (whole.length + chunk.length > limit) throw tooLong(limit);
    whole.push(chunk);
  }
  return whole.take();
}

function bodyTooLong(limit: number): EvsError {
  return new InvalidArgumentError(`the body is longer than ${limit} bytes`, {
    code: "argument/too-large",
    details: { limit },
  });
}
