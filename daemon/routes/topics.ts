/** The routes of topics. */
import { checkTopicOptions } from "../../core/event/topic_options.ts";
import { readJson, type Route, sendJson } from "../http/router.ts";

/** Create, list, show, change, remove. */
export const topicRoutes: Route[] = [
  {
    method: "GET",
    path: "/v1/topics",
    handle({ host }, reply) {
      const { topics } = host.broker;
      sendJson(reply, 200, { topics: topics.list().map(({ name }) => topics.info(name)) });
    },
  },
  {
    method: "GET",
    path: "/v1/topics/{topic}",
    handle({ host, params }, reply) {
      sendJson(reply, 200, host.broker.topics.info(params["topic"]!));
    },
  },
  {
    method: "PUT",
    path: "/v1/topics/{topic}",
    async handle(request, reply) {
      const { host, params } = request;
      const name = params["topic"]!;
      const options = checkTopicOptions(await readJson(request));
      const { created } = await host.broker.topics.create(name, options);
      if (created) host.log.logger.info("topic created", { topic: name, options });
      host.retention.changed();
      sendJson(reply, created ? 201 : 200, host.broker.topics.info(name));
    },
  },
  {
    method: "PATCH",
    path: "/v1/topics/{topic}",
    async handle(request, reply) {
      const { host, params } = request;
      const name = params["topic"]!;
      const options = checkTopicOptions(await readJson(request));
      await host.broker.topics.update(name, options);
      host.log.logger.info("topic changed", { topic: name, options });
      host.retention.changed();
      sendJson(reply, 200, host.broker.topics.info(name));
    },
  },
  {
    method: "DELETE",
    path: "/v1/topics/{topic}",
    async handle({ host, params }, reply) {
      const name = params["topic"]!;
      const { events, lastSeq } = host.broker.topics.info(name);
      await host.broker.topics.remove(name);
      host.log.logger.info("topic removed", { topic: name, events, lastSeq });
      sendJson(reply, 200, { removed: name, events, lastSeq });
    },
  },
];
