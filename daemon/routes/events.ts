/** The routes of events. */
import { EvsError } from "../../core/base/errors.ts";
import type { Route } from "../http/router.ts";
import { publish } from "./publish.ts";
import { quickPublish } from "./publish_quick.ts";
import { getNewest } from "./newest.ts";
import { publishAll } from "./publish_all.ts";
import { publishQuery } from "./publish_options.ts";
import { getEvent, readEvents, readQuery } from "./read.ts";
import { keyName, topicPattern } from "./shapes.ts";

/** Counts what it refuses; a publish to one topic does so itself. */
function counted(handle: Route["handle"]): Route["handle"] {
  return async (request, reply) => {
    try {
      await handle(request, reply);
    } catch (error) {
      if (error instanceof EvsError) request.services.metrics.refuse(error.code);
      throw error;
    }
  };
}

/** Publish to one topic or several, read, follow, and one event. */
export const eventRoutes: Route[] = [
  {
    method: "POST",
    path: "/v1/topics/{topic}/events",
    query: publishQuery,
    body: { shape: "raw", required: true },
    handle: publish,
    quick: quickPublish,
    pipelined: true,
  },
  { method: "GET", path: "/v1/topics/{topic}/events", query: readQuery, handle: readEvents },
  { method: "GET", path: "/v1/topics/{topic}/events/{event}", handle: getEvent },
  {
    method: "POST",
    path: "/v1/events",
    body: { shape: "raw", required: true },
    handle: counted(publishAll),
  },
  {
    method: "GET",
    path: "/v1/topics/{topic}/newest",
    query: { key: { shape: keyName, required: true } },
    handle: getNewest,
  },
  {
    method: "GET",
    path: "/v1/events",
    query: { topic: { shape: topicPattern, repeats: true, required: true }, ...readQuery },
    handle: readEvents,
  },
];
