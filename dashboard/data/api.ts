/** Requests to the daemon, through the server that this page came from. */
import type { ErrorBody } from "../../core/base/errors.ts";
import { noteReach, type Reach } from "./reach.ts";
import { sessionKey } from "./session_key.ts";

/** A request that was refused or not answered. */
export class RequestFailure extends Error {
  override readonly name = "RequestFailure";
  /** As in docs/errors.md; `dashboard/away` if nothing answered at all. */
  readonly code: string;
  /** What to type or try next. */
  readonly hint: string | undefined;
  readonly details: Record<string, unknown> | undefined;

  constructor({ code, message, hint, details }: ErrorBody, cause?: unknown) {
    super(message, { cause });
    this.code = code;
    this.hint = hint;
    this.details = details;
  }

  /** Nobody answered, so nothing is known about what was asked. */
  get isAway(): boolean {
    return STATES[this.code] !== undefined;
  }
}

const STATES: Record<string, Reach["state"]> = {
  "dashboard/away": "dashboard-away",
  "dashboard/daemon-away": "daemon-away",
  "dashboard/no-session": "no-session",
};

/** Names and values; those that are undefined are left out. */
export type QueryValues = Record<string, string | number | undefined>;

/** The path with its query. */
export function pathWith(path: string, query: QueryValues): string {
  const given = Object.entries(query).filter(([, value]) => value !== undefined && value !== "");
  const search = new URLSearchParams(given.map(([name, value]) => [name, String(value)]));
  return search.size === 0 ? path : `${path}?${search}`;
}

interface Sent {
  method?: "GET" | "POST" | "PUT" | "PATCH" | "DELETE";
  /** Sent as JSON. */
  json?: unknown;
  /** Sent as NDJSON. */
  lines?: Blob | string;
  signal?: AbortSignal;
}

/** The response, if the request was carried out. Throws `RequestFailure`, or the abort's error. */
export async function send(path: string, sent: Sent = {}): Promise<Response> {
  const { method = "GET", json, lines, signal } = sent;
  const headers: Record<string, string> = { "evs-dashboard-key": sessionKey() };
  if (json !== undefined || method !== "GET") headers["content-type"] = "application/json";
  if (lines !== undefined) headers["content-type"] = "application/x-ndjson";
  const body = lines ?? (json === undefined ? undefined : JSON.stringify(json));
  let response: Response;
  try {
    response = await fetch(path, { method, headers, body, signal, cache: "no-store" });
  } catch (error) {
    signal?.throwIfAborted();
    noteReach("dashboard-away");
    throw new RequestFailure({
      code: "dashboard/away",
      message: "the dashboard does not answer",
      hint: "is evs dashboard still running?",
    }, error);
  }
  if (response.ok) {
    noteReach("here");
    return response;
  }
  const failure = new RequestFailure(await errorIn(response));
  noteReach(STATES[failure.code] ?? "here");
  throw failure;
}

async function errorIn(response: Response): Promise<ErrorBody> {
  const text = await response.text();
  try {
    const { error } = JSON.parse(text);
    if (typeof error?.code === "string" && typeof error.message === "string") return error;
  } catch {
    // Not ours: what it says is shown as it is.
  }
  return {
    code: `http/${response.status}`,
    message: `status ${response.status}: ${text.slice(0, 300)}`,
  };
}

/** `GET` of a JSON document. */
export async function getJson<T>(path: string, signal?: AbortSignal): Promise<T> {
  return await (await send(path, { signal })).json();
}

/** A request that changes something, and its reply. */
export async function change<T>(path: string, sent: Sent & { method: string }): Promise<T> {
  return await (await send(path, sent)).json();
}

/** A part of a path. */
export function pathSegment(name: string): string {
  return encodeURIComponent(name);
}
