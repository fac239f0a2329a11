/** The routes of subscriptions: settings, and deliveries to their consumers. */
import { systemClock } from "../../core/base/clock.ts";
import { processedWithin } from "../../core/delivery/processed.ts";
import type { LeaseRequest } from "../../core/protocol/protocol.ts";
import { Heartbeat } from "../http/heartbeat.ts";
import { jsonRoute } from "../http/json_route.ts";
import type { Reply } from "../http/reply.ts";
import { LinesReply } from "../http/lines_reply.ts";
import { type Route, type RouteRequest, sendBytes, sendJson } from "../http/router.ts";
import { actOf } from "./audit.ts";
import { leaseReply } from "./lease_reply.ts";
import { restOfAll } from "./until_empty.ts";
import {
  beginBody,
  extendRequest,
  leaseRequest,
  leasesRequest,
  nackRequest,
  pauseRequest,
  processedRequest,
  seekRequest,
  subscriptionRequest,
} from "./subscription_bodies.ts";

/** Create or attach, list, show, pause, resume, seek, remove, lease, ack, nack, release, extend. */
export const subscriptionRoutes: Route[] = [
  {
    method: "GET",
    path: "/v1/subscriptions",
    async handle({ services }, reply) {
      const { subscriptions } = services.broker;
      await services.refresh();
      sendJson(reply, 200, { subscriptions: await subscriptions.list() });
    },
  },
  {
    method: "GET",
    path: "/v1/subscriptions/{name}",
    async handle({ services, params }, reply) {
      const { subscriptions, topics } = services.broker;
      const { record } = await subscriptions.known(params["name"]!);
      await services.refresh(topics.match(record.topic));
      const [info, owners] = await Promise.all([
        subscriptions.info(record.name),
        services.cluster?.owners(record.name),
      ]);
      sendJson(reply, 200, owners === undefined ? info : { ...info, owners });
    },
  },
  jsonRoute({
    method: "PUT",
    path: "/v1/subscriptions/{name}",
    body: subscriptionRequest,
    required: true,
    async accept(request, { body, reply }) {
      const { services, params } = request;
      const { subscriptions } = services.broker;
      const info = await subscriptions.put(params["name"]!, body, actOf(request));
      services.unnamed.seen(info.name);
      if (info.created) {
        services.log.logger.info("subscription created", {
          subscription: info.name,
          topic: info.topic,
        });
      }
      sendJson(reply, info.created ? 201 : 200, info);
    },
  }),
  {
    method: "DELETE",
    path: "/v1/subscriptions/{name}",
    async handle(request, reply) {
      const { services, params } = request;
      const name = params["name"]!;
      const act = actOf(request);
      await services.disk.makeRoom(() => services.broker.subscriptions.remove(name, act));
      services.log.logger.info("subscription removed", { subscription: name });
      sendJson(reply, 200, { removed: name });
    },
  },
  jsonRoute({
    method: "POST",
    path: "/v1/subscriptions/{name}/pause",
    body: pauseRequest,
    async accept(request, { body, reply }) {
      const { services, params } = request;
      const name = params["name"]!;
      const { broker, disk } = services;
      const act = actOf(request);
      const info = await disk.makeRoom(() => broker.subscriptions.pause(name, body, act));
      services.log.logger.warning("subscription paused", {
        subscription: name,
        reason: info.pauseReason,
        by: info.pausedBy,
        until: info.pausedUntil,
      });
      sendJson(reply, 200, info);
    },
  }),
  {
    method: "POST",
    path: "/v1/subscriptions/{name}/resume",
    async handle(request, reply) {
      const { services, params } = request;
      const { broker, disk } = services;
      const act = actOf(request);
      const info = await disk.makeRoom(() => broker.subscriptions.resume(params["name"]!, act));
      services.log.logger.info("subscription resumed", { subscription: info.name });
      sendJson(reply, 200, info);
    },
  },
  jsonRoute({
    method: "POST",
    path: "/v1/subscriptions/{name}/seek",
    body: seekRequest,
    required: true,
    async accept(request, { body: { to, dryRun = false }, reply }) {
      const { services, params } = request;
      const { broker: { subscriptions }, disk } = services;
      const act = actOf(request);
      const seek = () => subscriptions.seek(params["name"]!, { to, dryRun }, act);
      const result = await disk.makeRoom(seek);
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
  }),
  jsonRoute({
    method: "POST",
    path: "/v1/subscriptions/{name}/lease",
    body: leaseRequest,
    accept: lease,
  }),
  jsonRoute({
    method: "POST",
    path: "/v1/subscriptions/{name}/begin",
    body: beginBody,
    required: true,
    async accept({ services, params, connection }, { body, reply }) {
      const { subscriptions } = services.broker;
      sendJson(
        reply,
        200,
        await subscriptions.begin(params["name"]!, body, { consumer: connection }),
      );
    },
  }),
  jsonRoute({
    method: "POST",
    path: "/v1/subscriptions/{name}/ack",
    body: leasesRequest,
    required: true,
    async accept({ services, params }, { body: { leases }, reply }) {
      sendJson(reply, 200, await services.broker.subscriptions.ack(params["name"]!, leases));
    },
  }),
  jsonRoute({
    method: "POST",
    path: "/v1/subscriptions/{name}/release",
    body: leasesRequest,
    required: true,
    async accept({ services, params }, { body: { leases }, reply }) {
      sendJson(reply, 200, await services.broker.subscriptions.release(params["name"]!, leases));
    },
  }),
  jsonRoute({
    method: "POST",
    path: "/v1/subscriptions/{name}/nack",
    body: nackRequest,
    required: true,
    async accept({ services, params }, { body: { deliveries }, reply }) {
      sendJson(reply, 200, await services.broker.subscriptions.nack(params["name"]!, deliveries));
    },
  }),
  jsonRoute({
    method: "POST",
    path: "/v1/subscriptions/{name}/extend",
    body: extendRequest,
    required: true,
    async accept({ services, params }, { body, reply }) {
      sendJson(reply, 200, await services.broker.subscriptions.extend(params["name"]!, body));
    },
  }),
  jsonRoute({
    method: "POST",
    path: "/v1/subscriptions/{name}/processed",
    body: processedRequest,
    required: true,
    async accept({ services, params, signal }, { body: { topic, seq, waitMs = 0 }, reply }) {
      const driver = await services.broker.subscriptions.known(params["name"]!);
      const processed = await processedWithin(driver, { topic, seq, waitMs }, {
        clock: systemClock,
        signal,
      });
      sendJson(reply, 200, { processed });
    },
  }),
];

const EMPTY_LINE = Uint8Array.of(0x0a);

async function lease(
  request: RouteRequest,
  { body, reply }: { body: LeaseRequest; reply: Reply },
): Promise<void> {
  const { services, params, connection } = request;
  const name = params["name"]!;
  services.unnamed.seen(name);
  request.keepLeasesFor(body.lingerMs ?? 0);
  const leasing = services.broker.subscriptions.lease(name, body, {
    consumer: connection,
    signal: request.signal,
  });
  const type = "application/json";
  let out: LinesReply | undefined;
  const beat = body.heartbeatMs === undefined ? undefined : new Heartbeat({
    clock: systemClock,
    everyMs: body.heartbeatMs,
    // White space, with which JSON may begin.
    send() {
      if (out === undefined) {
        out = new LinesReply(reply);
        out.begin({ "content-type": type });
      }
      return out.write(EMPTY_LINE);
    },
  });
  try {
    const { deliveries, ...rest } = await (beat?.during(leasing) ?? leasing);
    const { epochOf } = services.broker.subscriptions.find(name) ?? {};
    const isAll = services.cluster === undefined || !body.untilEmpty || deliveries.length > 0;
    const told = isAll ? rest : await restOfAll(rest, { services, name, signal: request.signal });
    const bytes = leaseReply(told, deliveries, epochOf);
    if (out === undefined) return sendBytes(reply, { status: 200, type, bytes });
    await out.write(bytes);
    out.end();
  } finally {
    beat?.close();
  }
}
