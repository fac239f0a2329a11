/** The routes of events. */
import type { Route } from "../http/router.ts";
import { publish } from "./publish.ts";
import { getEvent, readEvents } from "./read.ts";

/** Publish, read, follow, and one event. */
export const eventRoutes: Route[] = [
  { method: "POST", path: "/v1/topics/{topic}/events", handle: publish, pipelined: true },
  { method: "GET", path: "/v1/topics/{topic}/events", handle: readEvents },
  { method: "GET", path: "/v1/topics/{topic}/events/{event}", handle: getEvent },
  { method: "GET", path: "/v1/events", handle: readEvents },
];
