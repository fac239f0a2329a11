/** The routes of topics. */
import { checkTopicOptions } from "../../core/event/topic_options.ts";
import { readJson, type Route, sendJson } from "../http/router.ts";

/** Create, list, show, change, remove. */
export const topicRoutes: Route[] = [
  {
    method: "GET",
    path: "/v1/topics",
    handle({ services }, reply) {
      const { topics } = services.broker;
      sendJson(reply, 200, { topics: topics.list().map(({ name }) => topics.info(name)) });
    },
  },
  {
    method: "GET",
    path: "/v1/topics/{topic}",
    handle({ services, params }, reply) {
      sendJson(reply, 200, services.broker.topics.info(params["topic"]!));
    },
  },
  {
    method: "PUT",
    path: "/v1/topics/{topic}",
    async handle(request, reply) {
      const { services, params } = request;
      const name = params["topic"]!;
      const options = checkTopicOptions(await readJson(request));
      const { created } = await services.broker.topics.create(name, options);
      if (created) services.log.logger.info("topic created", { topic: name, options });
      services.retention.changed();
      sendJson(reply, created ? 201 : 200, services.broker.topics.info(name));
    },
  },
  {
    method: "PATCH",
    path: "/v1/topics/{topic}",
    async handle(request, reply) {
      const { services, params } = request;
      const name = params["topic"]!;
      const options = checkTopicOptions(await readJson(request));
      await services.broker.topics.update(name, options);
      services.log.logger.info("topic changed", { topic: name, options });
      services.retention.changed();
      sendJson(reply, 200, services.broker.topics.info(name));
    },
  },
  {
    method: "DELETE",
    path: "/v1/topics/{topic}",
    async handle({ services, params }, reply) {
      const name = params["topic"]!;
      const { events, lastSeq } = services.broker.topics.info(name);
      await services.broker.topics.remove(name);
      services.log.logger.info("topic removed", { topic: name, events, lastSeq });
      sendJson(reply, 200, { removed: name, events, lastSeq });
    },
  },
];
