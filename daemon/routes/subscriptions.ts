/** The routes of subscriptions: settings, and the deliveries to who consumes them. */
import type http from "node:http";
import { systemClock } from "../../core/base/clock.ts";
import type { NackItem, SubscriptionRequest } from "../../core/protocol/protocol.ts";
import { type BreakerSpec, checkBreaker } from "../../core/event/breaker.ts";
import { processedWithin } from "../../core/delivery/manager_context.ts";
import { type BackoffSpec, checkBackoff } from "../../core/event/backoff.ts";
import type { SubscriptionSettings } from "../../core/state/state.ts";
import {
  LONGEST_DELAY_MS,
  LONGEST_LEASE_MS,
  LONGEST_WAIT_MS,
  MOST_DELIVERIES,
  MOST_RETRIES,
} from "../../core/event/limits.ts";
import { Fields } from "../http/fields.ts";
import { leaseReply } from "./lease_reply.ts";
import { readJson, type Route, type RouteRequest, sendBytes, sendJson } from "../http/router.ts";

/** Create or attach, list, show, pause, resume, seek, remove, lease, ack, nack, release, extend. */
export const subscriptionRoutes: Route[] = [
  {
    method: "GET",
    path: "/v1/subscriptions",
    handle({ services }, reply) {
      sendJson(reply, 200, { subscriptions: services.broker.subscriptions.list() });
    },
  },
  {
    method: "GET",
    path: "/v1/subscriptions/{name}",
    handle({ services, params }, reply) {
      sendJson(reply, 200, services.broker.subscriptions.info(params["name"]!));
    },
  },
  {
    method: "PUT",
    path: "/v1/subscriptions/{name}",
    async handle(request, reply) {
      const { services, params } = request;
      const body = subscriptionRequest(await readJson(request));
      const info = await services.broker.subscriptions.put(params["name"]!, body);
      services.unnamed.seen(info.name);
      if (info.created) {
        services.log.logger.info("subscription created", {
          subscription: info.name,
          topic: info.topic,
        });
      }
      sendJson(reply, info.created ? 201 : 200, info);
    },
  },
  {
    method: "DELETE",
    path: "/v1/subscriptions/{name}",
    async handle({ services, params }, reply) {
      const name = params["name"]!;
      await services.broker.subscriptions.remove(name);
      services.log.logger.info("subscription removed", { subscription: name });
      sendJson(reply, 200, { removed: name });
    },
  },
  {
    method: "POST",
    path: "/v1/subscriptions/{name}/pause",
    async handle(request, reply) {
      const { services, params } = request;
      const name = params["name"]!;
      const reason = new Fields(await readJson(request), ["reason"]).string("reason");
      const info = await services.broker.subscriptions.pause(name, reason);
      services.log.logger.warning("subscription paused", {
        subscription: name,
        reason: info.pauseReason,
      });
      sendJson(reply, 200, info);
    },
  },
  {
    method: "POST",
    path: "/v1/subscriptions/{name}/resume",
    async handle({ services, params }, reply) {
      const info = await services.broker.subscriptions.resume(params["name"]!);
      services.log.logger.info("subscription resumed", { subscription: info.name });
      sendJson(reply, 200, info);
    },
  },
  {
    method: "POST",
    path: "/v1/subscriptions/{name}/seek",
    async handle(request, reply) {
      const { services, params } = request;
      const fields = new Fields(await readJson(request), ["to", "dryRun"]);
      const to = fields.required("to", fields.string("to"));
      const dryRun = fields.boolean("dryRun") ?? false;
      const result = await services.broker.subscriptions.seek(params["name"]!, { to, dryRun });
      if (!dryRun) {
        services.log.logger.info("subscription moved", {
          subscription: params["name"],
          to,
          redo: result.redo,
          skip: result.skip,
        });
      }
      sendJson(reply, 200, result);
    },
  },
  { method: "POST", path: "/v1/subscriptions/{name}/lease", handle: lease },
  {
    method: "POST",
    path: "/v1/subscriptions/{name}/ack",
    async handle(request, reply) {
      const leases = await leasesOf(request);
      sendJson(
        reply,
        200,
        await request.services.broker.subscriptions.ack(request.params["name"]!, leases),
      );
    },
  },
  {
    method: "POST",
    path: "/v1/subscriptions/{name}/release",
    async handle(request, reply) {
      const leases = await leasesOf(request);
      sendJson(
        reply,
        200,
        await request.services.broker.subscriptions.release(request.params["name"]!, leases),
      );
    },
  },
  {
    method: "POST",
    path: "/v1/subscriptions/{name}/nack",
    async handle(request, reply) {
      const fields = new Fields(await readJson(request), ["deliveries"]);
      const items = fields.required("deliveries", fields.objects("deliveries")).map(nackItem);
      sendJson(
        reply,
        200,
        await request.services.broker.subscriptions.nack(request.params["name"]!, items),
      );
    },
  },
  {
    method: "POST",
    path: "/v1/subscriptions/{name}/extend",
    async handle(request, reply) {
      const fields = new Fields(await readJson(request), ["leases", "leaseMs"]);
      const leases = fields.required("leases", fields.strings("leases"));
      const leaseMs = fields.whole("leaseMs", [1, LONGEST_LEASE_MS]);
      const extension = { leases, ...(leaseMs === undefined ? {} : { leaseMs }) };
      sendJson(
        reply,
        200,
        await request.services.broker.subscriptions.extend(request.params["name"]!, extension),
      );
    },
  },
  {
    method: "POST",
    path: "/v1/subscriptions/{name}/processed",
    async handle(request, reply) {
      const fields = new Fields(await readJson(request), ["topic", "seq", "waitMs"]);
      const driver = request.services.broker.subscriptions.require(request.params["name"]!);
      const processed = await processedWithin(driver, {
        topic: fields.required("topic", fields.string("topic")),
        seq: fields.required("seq", fields.whole("seq", [1, Number.MAX_SAFE_INTEGER])),
        waitMs: fields.whole("waitMs", [0, LONGEST_WAIT_MS]) ?? 0,
      }, { clock: systemClock, signal: request.signal });
      sendJson(reply, 200, { processed });
    },
  },
];

async function leasesOf(request: RouteRequest): Promise<string[]> {
  const fields = new Fields(await readJson(request), ["leases"]);
  return fields.required("leases", fields.strings("leases"));
}

function subscriptionRequest(body: Record<string, unknown>): SubscriptionRequest {
  const fields = new Fields(body, ["topic", "from", "settings", "update", "resume"]);
  const settings = fields.object("settings");
  return {
    topic: fields.required("topic", fields.string("topic")),
    ...defined({
      from: fields.string("from"),
      settings: settings && settingsOf(settings),
      update: fields.boolean("update"),
      resume: fields.boolean("resume"),
    }),
  };
}

function settingsOf(body: Record<string, unknown>): Partial<SubscriptionSettings> {
  const fields = new Fields(body, ["maxRetries", "backoff", "eventTypes", "where", "breaker"]);
  const backoff = fields.object("backoff");
  return defined({
    maxRetries: fields.whole("maxRetries", [0, MOST_RETRIES]),
    backoff: backoff && checkBackoff(backoff as unknown as BackoffSpec),
    eventTypes: fields.strings("eventTypes"),
    where: fields.string("where"),
    breaker: breakerOf(body, fields),
  });
}

/** `null` turns it off; left out, it stays as it is. */
function breakerOf(body: Record<string, unknown>, fields: Fields): BreakerSpec | null | undefined {
  if (body["breaker"] === null) return null;
  const breaker = fields.object("breaker");
  return breaker && checkBreaker(breaker as unknown as BreakerSpec);
}

function nackItem(body: Record<string, unknown>): NackItem {
  const fields = new Fields(body, [
    "lease",
    "error",
    "durationMs",
    "exitCode",
    "signal",
    "stderr",
    "stack",
    "dead",
    "afterMs",
  ]);
  return {
    lease: fields.required("lease", fields.string("lease")),
    error: fields.required("error", fields.string("error")),
    ...defined({
      durationMs: fields.whole("durationMs", [0, Number.MAX_SAFE_INTEGER]),
      exitCode: fields.whole("exitCode", [0, 255]),
      signal: fields.string("signal"),
      stderr: fields.string("stderr"),
      stack: fields.string("stack"),
      dead: fields.boolean("dead"),
      afterMs: fields.whole("afterMs", [0, LONGEST_DELAY_MS]),
    }),
  };
}

/** The fields that are there. */
function defined<T extends Record<string, unknown>>(
  fields: T,
): { [K in keyof T]?: Exclude<T[K], undefined> } {
  return Object.fromEntries(
    Object.entries(fields).filter(([, value]) => value !== undefined),
  ) as ReturnType<
    typeof defined<T>
  >;
}

async function lease(request: RouteRequest, reply: http.ServerResponse): Promise<void> {
  const fields = new Fields(await readJson(request), [
    "max",
    "leaseMs",
    "waitMs",
    "bind",
    "untilEmpty",
    "throughPause",
  ]);
  request.services.unnamed.seen(request.params["name"]!);
  const { deliveries, ...rest } = await request.services.broker.subscriptions.lease(
    request.params["name"]!,
    defined({
      max: fields.whole("max", [1, MOST_DELIVERIES]),
      leaseMs: fields.whole("leaseMs", [1, LONGEST_LEASE_MS]),
      waitMs: fields.whole("waitMs", [0, LONGEST_WAIT_MS]),
      bind: fields.boolean("bind"),
      untilEmpty: fields.boolean("untilEmpty"),
      throughPause: fields.boolean("throughPause"),
    }),
    { consumer: request.connection, signal: request.signal },
  );
  sendBytes(reply, { status: 200, type: "application/json", bytes: leaseReply(rest, deliveries) });
}
