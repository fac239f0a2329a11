/** The routes of topics. */
import {
  checkTopicOptions,
  DROP_RULES,
  KEEP_RULES,
  SCHEMA_MODES,
  TOPIC_STORES,
} from "../../core/event/topic_options.ts";
import { topicInfoOf } from "../../core/broker/stats.ts";
import type { TopicInfo } from "../../core/protocol/protocol.ts";
import { jsonRoute } from "../http/json_route.ts";
import { type Route, sendJson } from "../http/router.ts";
import { choice, flag, object, whole } from "../http/shape.ts";
import { actOf } from "./audit.ts";
import type { Services } from "../services.ts";
import { durability } from "./shapes.ts";

/** A count, a size or an age; 0 means no limit. */
const limit = whole([0, Number.MAX_SAFE_INTEGER]);

/** The options of a topic. */
const topicOptions = object({
  persistent: flag,
  retentionPeriod: limit,
  maxEvents: limit,
  maxBytes: limit,
  keep: choice(KEEP_RULES),
  drop: choice(DROP_RULES),
  deadRetention: limit,
  deadMax: limit,
  schema: choice(SCHEMA_MODES),
  store: choice(TOPIC_STORES),
  durability,
});

/** A topic as it is shown. */
async function infoOf(services: Services, name: string): Promise<TopicInfo> {
  const { broker } = services;
  await services.refresh([name]);
  const info = topicInfoOf(broker, name, { exact: true });
  const { reading } = broker.meters;
  if (info.newestAt !== undefined || !reading) return info;
  await reading;
  return topicInfoOf(broker, name, { exact: true });
}

/** Create, list, show, change, remove. */
export const topicRoutes: Route[] = [
  {
    method: "GET",
    path: "/v1/topics",
    async handle({ services }, reply) {
      await services.refresh();
      const topics = services.broker.topics.list();
      const infos = topics.map(({ name }) => topicInfoOf(services.broker, name));
      sendJson(reply, 200, { topics: infos });
    },
  },
  {
    method: "GET",
    path: "/v1/topics/{topic}",
    async handle({ services, params }, reply) {
      sendJson(reply, 200, await infoOf(services, params["topic"]!));
    },
  },
  jsonRoute({
    method: "PUT",
    path: "/v1/topics/{topic}",
    body: topicOptions,
    async accept(request, { body, reply }) {
      const { services, params } = request;
      const name = params["topic"]!;
      const options = checkTopicOptions(body);
      const { created } = await services.broker.topics.create(name, options, actOf(request));
      if (created) services.log.logger.info("topic created", { topic: name, options });
      services.retention.changed();
      sendJson(reply, created ? 201 : 200, await infoOf(services, name));
    },
  }),
  jsonRoute({
    method: "PATCH",
    path: "/v1/topics/{topic}",
    body: topicOptions,
    required: true,
    async accept(request, { body, reply }) {
      const { services, params } = request;
      const name = params["topic"]!;
      const options = checkTopicOptions(body);
      const act = actOf(request);
      await services.disk.makeRoom(() => services.broker.topics.update(name, options, act));
      services.log.logger.info("topic changed", { topic: name, options });
      services.retention.changed();
      sendJson(reply, 200, await infoOf(services, name));
    },
  }),
  {
    method: "DELETE",
    path: "/v1/topics/{topic}",
    async handle(request, reply) {
      const { services, params } = request;
      const name = params["topic"]!;
      const { events, lastSeq } = services.broker.topics.info(name);
      const act = actOf(request);
      await services.disk.makeRoom(() => services.broker.topics.remove(name, act));
      services.log.logger.info("topic removed", { topic: name, events, lastSeq });
      sendJson(reply, 200, { removed: name, events, lastSeq });
    },
  },
];
