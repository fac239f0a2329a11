/**
 * Passes a request on to the daemon and its response back.
 *
 * It is written anew from its method, its target, a few headers and its whole body, so that nothing
 * a client does to a request's frame reaches the daemon.
 */
import type { IncomingMessage, ServerResponse } from "node:http";
import { once } from "node:events";
import type { Client } from "../../core/client/client.ts";
import type { Connection, HttpRequest, HttpResponse } from "../../core/client/connection.ts";
import {
  ConnectionLostError,
  type EvsError,
  NoDaemonError,
  NotAnsweringError,
  SocketError,
} from "../../core/base/errors.ts";
import { ACTOR_HEADER } from "../../core/protocol/actor.ts";
import { queryOf, refusal } from "./guard.ts";
import { dryRunBody, type Effect, onlyReads } from "./offered.ts";
import { begin } from "./replies.ts";
import { withBody } from "./request_body.ts";

/** Headers of a request that the daemon gets. */
const REQUEST_HEADERS = ["accept", "traceparent", "tracestate"];
/** Headers of a response that the page gets. */
const RESPONSE_HEADERS = ["content-type", "content-length", "evs-next", "retry-after"];

/** How requests are passed on. */
export interface PassOnOptions {
  client: Client;
  readOnly: boolean;
  /** The value of {@link ACTOR_HEADER}: who acts, and by which way. */
  actor: string;
}

/** A request that is passed on. */
export interface PassedOn {
  request: IncomingMessage;
  response: ServerResponse;
  effect: Effect;
  /** Aborts when the client has gone: the daemon then ends what it does for it. */
  signal: AbortSignal;
}

/** Passes one on. Throws if it is refused or the daemon is not there. */
export async function passOn(passed: PassedOn, options: PassOnOptions): Promise<void> {
  const { request, effect } = passed;
  if (onlyReads(effect, queryOf(request.url!)) || !options.readOnly) {
    if (request.method === "GET") return await exchange(passed, { options });
    return await withBody(request, (body) => exchange(passed, { options, body }));
  }
  if (effect !== "change-or-try") throw readOnly();
  await withBody(request, async (given) => {
    const body = dryRunBody(given);
    if (body === undefined) throw readOnly();
    await exchange(passed, { options, body });
  });
}

function readOnly(): EvsError {
  return refusal(
    { code: "dashboard/read-only", status: 403 },
    "this dashboard changes nothing: it was started with --read-only",
  );
}

async function exchange(
  { request, response, signal }: PassedOn,
  { options: { client, actor }, body }: { options: PassOnOptions; body?: Uint8Array | string },
): Promise<void> {
  const isRead = request.method === "GET";
  const sent: HttpRequest = {
    method: request.method!,
    path: request.url!,
    headers: { ...passedHeaders(request), ...(isRead ? {} : { [ACTOR_HEADER]: actor }) },
    patient: wantsStream(request),
    ...(isRead ? {} : { body, contentType: request.headers["content-type"] }),
  };
  // A change goes over a connection of its own: an idle one may have been closed by the daemon,
  // and then nobody could say whether the change took place.
  let own: Connection | undefined;
  try {
    own = isRead ? undefined : await client.address.connect();
    const reply = await (own?.request(sent, { signal }) ?? client.fetchAny(sent, { signal }));
    await sendBack(reply, { response, signal });
  } catch (error) {
    if (signal.aborted) return;
    throw isAway(error) ? awayError(error, { isRead }) : error;
  } finally {
    own?.close();
  }
}

/** True if the daemon sends as long as somebody listens. */
export function wantsStream(request: IncomingMessage): boolean {
  return queryOf(request.url!).has("follow") ||
    (request.headers.accept ?? "").includes("text/event-stream");
}

function passedHeaders({ headers }: IncomingMessage): Record<string, string> {
  return Object.fromEntries(REQUEST_HEADERS.flatMap((name) => {
    const value = headers[name];
    return typeof value === "string" ? [[name, value]] : [];
  }));
}

async function sendBack(
  reply: HttpResponse,
  { response, signal }: { response: ServerResponse; signal: AbortSignal },
): Promise<void> {
  begin(
    response,
    reply.status,
    Object.fromEntries(RESPONSE_HEADERS.flatMap((name) => {
      const value = reply.headers.get(name);
      return value === undefined ? [] : [[name, value]];
    })),
  );
  // A stream's head is sent before there is anything to send.
  response.flushHeaders();
  for await (const piece of reply.body()) {
    // The piece is a view of a buffer that is used again.
    if (!response.write(piece.slice())) await once(response, "drain", { signal });
    signal.throwIfAborted();
  }
  response.end();
}

type AwayError = ConnectionLostError | NoDaemonError | NotAnsweringError | SocketError;

function isAway(error: unknown): error is AwayError {
  return error instanceof NoDaemonError || error instanceof NotAnsweringError ||
    error instanceof ConnectionLostError || error instanceof SocketError;
}

function awayError(error: AwayError, { isRead }: { isRead: boolean }): EvsError {
  const isUncertain = !isRead && error instanceof ConnectionLostError;
  return refusal(
    { code: "dashboard/daemon-away", status: 502 },
    isUncertain ? `${error.message}; whether it did this is not known` : error.message,
    { hint: error.hint, details: { reason: error.code } },
  );
}
