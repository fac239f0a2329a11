/**
 * A typed client of the daemon: one method per endpoint of protocol.ts.
 *
 * It connects at the first request and keeps its connections open. A request takes an idle
 * connection or opens another, so a long wait for a lease does not hold up an ack. Responses with a
 * status of 400 and above become {@link RemoteError}.
 */
import type {
  RetriesNowReply,
  RetriesNowRequest,
  RetriesPage,
  RetriesReply,
} from "../protocol/in_flight.ts";
import type {
  CancelScheduledReply,
  CancelScheduledRequest,
  ScheduledPage,
  ScheduledReply,
} from "../protocol/scheduled.ts";
import { ConnectionLostError, NoDaemonError, RemoteError } from "../base/errors.ts";
import { Connection, type HttpRequest, HttpResponse } from "./connection.ts";
import { publishRequest, remoteError, remoteErrorOf, segment } from "./endpoint.ts";
import type {
  AckRequest,
  BeginRequest,
  DeadLetterAction,
  DeadLetterActionReply,
  DeadLetterDetail,
  DeadLetterImportReply,
  ExtendRequest,
  LeaseReply,
  LeaseRequest,
  NackRequest,
  PauseRequest,
  ProcessedReply,
  ProcessedRequest,
  PublishQuery,
  PublishReply,
  ReadQuery,
  SeekReply,
  SeekRequest,
  SettleReply,
  SubscriptionInfo,
  SubscriptionRequest,
  TopicInfo,
  TopicRequest,
} from "../protocol/protocol.ts";
import { ACTOR_HEADER, type ActorClaim, encodeActor } from "../protocol/actor.ts";
import type { DeadLetterGroup } from "../protocol/dead_letter_groups.ts";
import type { RedactOptions, RedactReply } from "../protocol/redaction.ts";
import type { StatusReply } from "../protocol/status.ts";
import type { PublishAllReply } from "../protocol/publish_all.ts";
import type { SchemaDiff, SchemaInfo, SchemasRequest } from "../protocol/schemas.ts";
import type { CompatibilityLevel } from "../event/compatibility_level.ts";

export { publishRequest, remoteError, segment } from "./endpoint.ts";

/** The last parameter of most methods. */
export interface CallOptions {
  /** On abort, closes the connection and rejects with the signal's reason. */
  signal?: AbortSignal;
}

/** How to find a daemon. */
export interface Address {
  /** The socket, as far as it is known. */
  readonly socket: string;
  /** Throws `NoDaemonError` if none is found. */
  connect(): Promise<Connection>;
  /** A stopping daemon may have a successor, which the client then waits for. */
  readonly succeeded?: boolean;
}

/** A client of one daemon. Close it when done. */
export class Client implements Disposable {
  /** How the daemon is found. */
  readonly address: Address;
  #connections = new Set<Connection>();
  /** The headers of requests that the audit log tells of. */
  readonly #acts: Record<string, string> = {};
  /** Connections that a caller uses exclusively. */
  #lent = new Set<Connection>();

  /** `socket`: its path, or how to find it each time. `actor`: who acts, for the audit log. */
  constructor({ socket, actor }: { socket: string | Address; actor?: ActorClaim }) {
    if (actor !== undefined) this.#acts = { [ACTOR_HEADER]: encodeActor(actor) };
    this.address = typeof socket === "string"
      ? { socket, connect: () => Connection.open(socket) }
      : socket;
  }

  /** The daemon's socket, as far as it is known. */
  get socket(): string {
    return this.address.socket;
  }

  // Requests of any kind.

  /**
   * Sends a request; the caller must read the response to its end. Throws for a status of 400 and
   * above.
   */
  async fetch(request: HttpRequest, options: CallOptions = {}): Promise<HttpResponse> {
    const response = await this.fetchAny(request, options);
    if (response.status < 400) return response;
    const error = await remoteError(response);
    if (!this.address.succeeded || !isUntouched(error)) throw error;
    const second = await this.#askSuccessor(request, { ...options, error });
    if (second.status >= 400) throw await remoteError(second);
    return second;
  }

  /**
   * A stopping daemon has refused the request: sends it to its successor. Without one, the refusal
   * is the answer.
   */
  async #askSuccessor(
    request: HttpRequest,
    { error, ...options }: CallOptions & { error: RemoteError },
  ): Promise<HttpResponse> {
    this.close();
    try {
      return await this.fetchAny(request, options);
    } catch (second) {
      throw second instanceof NoDaemonError ? error : second;
    }
  }

  /** The same, whatever the status. */
  async fetchAny(request: HttpRequest, options: CallOptions = {}): Promise<HttpResponse> {
    for (const connection of this.#connections) {
      if (connection.busy || connection.closed) continue;
      try {
        const response = await connection.request(request, options);
        if (!mayBeLeftBehind(response)) return response;
        const { status, headers } = response;
        const text = await response.text();
        if (!isUntouched(remoteErrorOf(text, status))) {
          return new HttpResponse({ status, headers }, new TextEncoder().encode(text));
        }
      } catch (error) {
        // The daemon may just have closed an idle connection. A read is safe to repeat.
        if (!(error instanceof ConnectionLostError) || request.method !== "GET") throw error;
      }
    }
    const connection = await this.#open(this.#connections);
    return await connection.request(request, options);
  }

  /** A request of somebody who acts: it says who that is. The response is JSON. */
  async act<T = unknown>(request: HttpRequest, options: CallOptions = {}): Promise<T> {
    return await this.call({ ...request, headers: this.#acts }, options);
  }

  /** A request whose response is JSON. */
  async call<T>(request: HttpRequest, options: CallOptions = {}): Promise<T> {
    return await (await this.fetch(request, options)).json<T>();
  }

  /** A connection for exclusive use, for pipelining; it is closed with the client. */
  async connect(): Promise<Connection> {
    return await this.#open(this.#lent);
  }

  async #open(into: Set<Connection>): Promise<Connection> {
    for (const connection of into) if (connection.closed) into.delete(connection);
    const connection = await this.address.connect();
    into.add(connection);
    return connection;
  }

  /** Closes every connection. */
  close(): void {
    for (const connection of [...this.#connections, ...this.#lent]) connection.close();
    this.#connections.clear();
    this.#lent.clear();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  // Events.

  /** Publishes one JSON body: an event, an array of events or, with `query.type`, a payload. */
  async publish(
    topic: string,
    body: Uint8Array | string,
    options: CallOptions & { query?: PublishQuery } = {},
  ): Promise<PublishReply> {
    return await this.call(publishRequest(topic, { body, query: options.query }), options);
  }

  /** Publishes a JSON array of events, each with its topic: all or none. */
  async publishAll(body: Uint8Array | string, options: CallOptions = {}): Promise<PublishAllReply> {
    return await this.call({ method: "POST", path: "/v1/events", body }, options);
  }

  /** Reads or follows; the lines of the response are events. */
  async read(query: ReadQuery, options: CallOptions = {}): Promise<HttpResponse> {
    const patient = query.follow !== undefined;
    const request = { method: "GET", path: "/v1/events", query: { ...query }, patient };
    return await this.fetch(request, options);
  }

  /** The wire line of one event, by seq or id. */
  async event(topic: string, seqOrId: string, options: CallOptions = {}): Promise<Uint8Array> {
    const path = `/v1/topics/${segment(topic)}/events/${segment(seqOrId)}`;
    return await (await this.fetch({ method: "GET", path }, options)).bytes();
  }

  /** Replaces what an event says, by seq or id. */
  async redact(topic: string, seqOrId: string, request: RedactOptions): Promise<RedactReply> {
    const path = `/v1/topics/${segment(topic)}/events/${segment(seqOrId)}/redact`;
    return await this.act(send("POST", path, request));
  }

  /** The wire line of the newest event of a key. */
  async newest(topic: string, key: string, options: CallOptions = {}): Promise<Uint8Array> {
    const path = `/v1/topics/${segment(topic)}/newest`;
    return await (await this.fetch({ method: "GET", path, query: { key } }, options)).bytes();
  }

  /** Events that are published later, by pages. */
  async scheduled({ topic, limit, after }: ScheduledPage = {}): Promise<ScheduledReply> {
    const query = { topic, limit, after };
    return await this.call({ method: "GET", path: "/v1/scheduled", query });
  }

  async cancelScheduled(request: CancelScheduledRequest): Promise<CancelScheduledReply> {
    return await this.act(send("POST", "/v1/scheduled/cancel", request));
  }

  // Topics.

  async topics(options: CallOptions = {}): Promise<TopicInfo[]> {
    return (await this.call<{ topics: TopicInfo[] }>(get("/v1/topics"), options)).topics;
  }

  async topic(name: string): Promise<TopicInfo> {
    return await this.call(get(`/v1/topics/${segment(name)}`));
  }

  async createTopic(name: string, request: TopicRequest): Promise<TopicInfo> {
    return await this.act(send("PUT", `/v1/topics/${segment(name)}`, request));
  }

  async updateTopic(name: string, request: TopicRequest): Promise<TopicInfo> {
    return await this.act(send("PATCH", `/v1/topics/${segment(name)}`, request));
  }

  async removeTopic(name: string): Promise<void> {
    await this.act({ method: "DELETE", path: `/v1/topics/${segment(name)}` });
  }

  // Subscriptions.

  async subscriptions(): Promise<SubscriptionInfo[]> {
    const reply = await this.call<{ subscriptions: SubscriptionInfo[] }>(get("/v1/subscriptions"));
    return reply.subscriptions;
  }

  async subscription(name: string): Promise<SubscriptionInfo> {
    return await this.call(get(subscriptionPath(name)));
  }

  async putSubscription(name: string, request: SubscriptionRequest): Promise<SubscriptionInfo> {
    return await this.act(send("PUT", subscriptionPath(name), request));
  }

  async removeSubscription(name: string): Promise<void> {
    await this.act({ method: "DELETE", path: subscriptionPath(name) });
  }

  async pauseSubscription(name: string, request: PauseRequest = {}): Promise<SubscriptionInfo> {
    return await this.act(send("POST", subscriptionPath(name, "pause"), request));
  }

  async resumeSubscription(name: string): Promise<SubscriptionInfo> {
    return await this.act({ method: "POST", path: subscriptionPath(name, "resume") });
  }

  async seekSubscription(name: string, request: SeekRequest): Promise<SeekReply> {
    return await this.act(send("POST", subscriptionPath(name, "seek"), request));
  }

  async retries(name: string, { limit, after }: RetriesPage = {}): Promise<RetriesReply> {
    const path = subscriptionPath(name, "retries");
    return await this.call({ method: "GET", path, query: { limit, after } });
  }

  async retryNow(name: string, request: RetriesNowRequest = {}): Promise<RetriesNowReply> {
    return await this.act(send("POST", subscriptionPath(name, "retries/now"), request));
  }

  async lease(name: string, request: LeaseRequest, options: CallOptions = {}): Promise<LeaseReply> {
    return await this.call(send("POST", subscriptionPath(name, "lease"), request), options);
  }

  /** The same as it arrives, heartbeats included, for callers that need the payloads' exact bytes. */
  async leaseResponse(name: string, request: LeaseRequest): Promise<HttpResponse> {
    return await this.fetch(send("POST", subscriptionPath(name, "lease"), request));
  }

  async begin(name: string, request: BeginRequest): Promise<SettleReply> {
    return await this.call(beginRequest(name, request));
  }

  async ack(name: string, request: AckRequest): Promise<SettleReply> {
    return await this.call(send("POST", subscriptionPath(name, "ack"), request));
  }

  async nack(name: string, request: NackRequest): Promise<SettleReply> {
    return await this.call(send("POST", subscriptionPath(name, "nack"), request));
  }

  async release(name: string, request: AckRequest): Promise<SettleReply> {
    return await this.call(send("POST", subscriptionPath(name, "release"), request));
  }

  async processed(
    name: string,
    request: ProcessedRequest,
    options: CallOptions = {},
  ): Promise<ProcessedReply> {
    return await this.call(send("POST", subscriptionPath(name, "processed"), request), options);
  }

  async extend(name: string, request: ExtendRequest): Promise<SettleReply> {
    return await this.call(send("POST", subscriptionPath(name, "extend"), request));
  }

  // Dead letters.

  /** NDJSON of `DeadLetterInfo`, newest first; the header `evs-next` says where to read on. */
  async deadLetters(
    query: Record<string, string | number | readonly string[] | undefined>,
  ): Promise<HttpResponse> {
    return await this.fetch({ method: "GET", path: "/v1/dead-letters", query });
  }

  /** Groups by cause, the most frequent first. */
  async deadLetterGroups(
    query: Record<string, string | number | undefined>,
  ): Promise<DeadLetterGroup[]> {
    const reply = await this.call<{ groups: DeadLetterGroup[] }>({
      method: "GET",
      path: "/v1/dead-letter-groups",
      query,
    });
    return reply.groups;
  }

  async deadLetter(id: string): Promise<DeadLetterDetail[]> {
    const request = get(`/v1/dead-letters/${segment(id)}`);
    return (await this.call<{ deadLetters: DeadLetterDetail[] }>(request)).deadLetters;
  }

  /**
   * Imports NDJSON as returned by `deadLetters({full: "1"})`; with `retry` it is redelivered. With
   * the tag of a `batch`, nothing is done twice if it is sent again.
   */
  async importDeadLetters(
    body: Uint8Array,
    options: { retry: boolean; to?: string | undefined; batch?: string },
  ): Promise<DeadLetterImportReply> {
    return await this.act({
      method: "POST",
      path: "/v1/dead-letters/import",
      query: { retry: options.retry ? "1" : undefined, to: options.to, batch: options.batch },
      body,
      contentType: "application/x-ndjson",
    });
  }

  async retryDeadLetters(action: DeadLetterAction): Promise<DeadLetterActionReply> {
    return await this.act(send("POST", "/v1/dead-letters/retry", action));
  }

  async removeDeadLetters(action: DeadLetterAction): Promise<DeadLetterActionReply> {
    return await this.act(send("POST", "/v1/dead-letters/remove", action));
  }

  // Schemas.

  async schemas(): Promise<SchemaInfo[]> {
    return (await this.call<{ schemas: SchemaInfo[] }>(get("/v1/schemas"))).schemas;
  }

  async schema(type: string, version?: string): Promise<SchemaInfo> {
    return await this.call({
      method: "GET",
      path: `/v1/schemas/${segment(type)}`,
      query: { version },
    });
  }

  /** Registers a schema, given as the bytes of a JSON Schema. With `dryRun` it is only checked. */
  async registerSchema(
    type: string,
    schema: Uint8Array | string,
    options: { version?: string; dryRun?: boolean; compatibility?: CompatibilityLevel } = {},
  ): Promise<SchemaInfo> {
    const { version, compatibility, dryRun } = options;
    return await this.act({
      method: "PUT",
      path: `/v1/schemas/${segment(type)}`,
      query: { version, compatibility, dryRun: dryRun ? "1" : undefined },
      body: schema,
    });
  }

  /** Registers all of them or none. */
  async registerSchemas(request: SchemasRequest): Promise<SchemaInfo[]> {
    const reply = await this.act<{ schemas: SchemaInfo[] }>(send("POST", "/v1/schemas", request));
    return reply.schemas;
  }

  /** Compares two versions, or a version and an unregistered schema. */
  async diffSchemas(
    type: string,
    { from, to, schema }: { from?: string; to?: string; schema?: Uint8Array },
  ): Promise<SchemaDiff> {
    const path = `/v1/schemas/${segment(type)}/diff`;
    const response = await this.fetch(
      schema === undefined
        ? { method: "GET", path, query: { from, to } }
        : { method: "POST", path, query: { from }, body: schema },
    );
    // Show the numbers in schemas as they were written.
    const { parseExact } = await import("../json/exact.ts");
    return parseExact(await response.text()) as SchemaDiff;
  }

  async removeSchema(type: string, version: string): Promise<void> {
    const path = `/v1/schemas/${segment(type)}`;
    await this.act({ method: "DELETE", path, query: { version } });
  }

  /** Checks NDJSON payloads; the lines of the response are `SchemaVerdict`. */
  async checkSchema(
    type: string,
    body: Uint8Array | string,
    options: { version?: string } = {},
  ): Promise<HttpResponse> {
    return await this.fetch({
      method: "POST",
      path: `/v1/schemas/${segment(type)}/check`,
      query: { version: options.version },
      body,
      contentType: "application/x-ndjson",
    });
  }

  /** An AsyncAPI document of all topics and schemas. */
  async asyncapi(): Promise<Uint8Array> {
    return await (await this.fetch(get("/v1/asyncapi"))).bytes();
  }

  // The daemon itself.

  async status(options: CallOptions = {}): Promise<StatusReply> {
    return await this.call(get("/v1/status"), options);
  }
}

/** True if a stopping daemon has executed nothing of a request. */
export function isUntouched(error: unknown): boolean {
  return error instanceof RemoteError && error.code === "daemon/stopping" &&
    error.details === undefined;
}

/**
 * True if the response may be what a stopping daemon wrote into the idle connection, before the
 * request was sent.
 */
function mayBeLeftBehind({ status, headers }: HttpResponse): boolean {
  return status === 507 && headers.get("connection") === "close";
}

function get(path: string): HttpRequest {
  return { method: "GET", path };
}

function send(method: string, path: string, body: unknown): HttpRequest {
  return { method, path, body: JSON.stringify(body) };
}

/** The request that marks the handlers of these leases as begun. */
export function beginRequest(name: string, request: BeginRequest): HttpRequest {
  return send("POST", subscriptionPath(name, "begin"), request);
}

function subscriptionPath(name: string, verb?: string): string {
  return `/v1/subscriptions/${segment(name)}${verb === undefined ? "" : `/${verb}`}`;
}
