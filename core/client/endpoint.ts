/**
 * What a single publish needs of the client, and no more: it is on the path of every cold start.
 */
import { type ErrorBody, RemoteError } from "../base/errors.ts";
import type { HttpRequest, HttpResponse } from "./connection.ts";
import type { ErrorReply, PublishQuery } from "../protocol/protocol.ts";

/** A name as one segment of a path. */
export function segment(name: string): string {
  // `.` and `..` would be resolved as path steps.
  return name === "." || name === ".." ? name.replaceAll(".", "%2E") : encodeURIComponent(name);
}

/** The request that publishes a body. */
export function publishRequest(
  topic: string,
  options: { body: Uint8Array | string; query?: PublishQuery; contentType?: string },
): HttpRequest {
  return {
    method: "POST",
    path: `/v1/topics/${segment(topic)}/events`,
    query: { ...options.query },
    body: options.body,
    contentType: options.contentType,
  };
}

/** The error in a response with a status of 400 and above. */
export async function remoteError(response: HttpResponse): Promise<RemoteError> {
  return remoteErrorOf(await response.text(), response.status);
}

/** The same, from the text of a response. */
export function remoteErrorOf(text: string, status: number): RemoteError {
  return new RemoteError(errorBody(text, status), status);
}

function errorBody(text: string, status: number): ErrorBody {
  try {
    const reply = JSON.parse(text) as ErrorReply;
    if (typeof reply.error?.code === "string" && typeof reply.error.message === "string") {
      return reply.error;
    }
  } catch {
    // Not JSON: handled below.
  }
  return {
    code: "internal/bug",
    message: `the daemon answered ${status} without saying why`,
    hint: "evs daemon logs",
    details: { status, body: text.slice(0, 500) },
  };
}
