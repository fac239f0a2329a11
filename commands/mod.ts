/**
 * The one route map: every verb, what it is for, and where its file is. Only the file of the verb that was typed is
 * loaded; a file `commands/VERB.ts` exports its `route`.
 */
import type { Route } from "./define.ts";

/** A verb that is known by name only until it is loaded. */
export interface LazyRoute {
  brief: string;
  load: () => Promise<{ route: Route }>;
}

/** All verbs, in the order of the help. */
export const routes: ReadonlyMap<string, LazyRoute> = new Map<string, LazyRoute>([
  ["publish", { brief: "Publish events to a topic", load: () => import("./publish.ts") }],
  ["get", { brief: "Print one event", load: () => import("./get.ts") }],
  ["tail", { brief: "Follow topics as events come in", load: () => import("./tail.ts") }],
  ["replay", { brief: "Print or republish what was stored", load: () => import("./replay.ts") }],
  ["expect", { brief: "Wait for events; for CI", load: () => import("./expect.ts") }],
  ["consume", { brief: "Run a command for each event", load: () => import("./consume.ts") }],
  ["dlq", { brief: "Look at, retry and remove dead letters", load: () => import("./dlq/mod.ts") }],
  ["topic", {
    brief: "Create, list, change and remove topics",
    load: () => import("./topic/mod.ts"),
  }],
  ["subscription", {
    brief: "List, pause, resume, seek and remove subscriptions",
    load: () => import("./subscription/mod.ts"),
  }],
  ["schema", { brief: "Register, list and check schemas", load: () => import("./schema/mod.ts") }],
  ["daemon", {
    brief: "Start, stop and look after the daemon",
    load: () => import("./daemon/mod.ts"),
  }],
  ["status", { brief: "How the daemon is", load: () => import("./status.ts") }],
  ["with", {
    brief: "Run a command with a private daemon",
    load: () => import("./with.ts"),
  }],
  ["completions", {
    brief: "Completions for bash, zsh and fish",
    load: () => import("./completions.ts"),
  }],
]);
