/**
 * The route map: every verb, its purpose, and its file. Only the file of the verb that was typed is
 * loaded; it exports its `route`.
 */
import type { LazyRoute } from "./cli/define.ts";
import { load } from "./cli/lazy.ts";

/** All verbs, in help order. */
export const verbs: ReadonlyMap<string, LazyRoute> = new Map<string, LazyRoute>([
  verb("publish", "./publish.ts", "Publish events to a topic"),
  verb("get", "./get.ts", "Print one event"),
  verb("tail", "./tail.ts", "Follow topics as events come in"),
  verb("replay", "./replay.ts", "Print or republish what was stored"),
  verb("expect", "./expect.ts", "Wait for events; for CI"),
  verb("consume", "./consume.ts", "Run a command for each event"),
  verb("dlq", "./dlq/mod.ts", "Look at, retry and remove dead letters"),
  verb("topic", "./topic/mod.ts", "Create, list, change and remove topics"),
  verb(
    "subscription",
    "./subscription/mod.ts",
    "List, pause, resume, seek and remove subscriptions",
  ),
  verb("schema", "./schema/mod.ts", "Register, list and check schemas"),
  verb("daemon", "./daemon/mod.ts", "Start, stop and look after the daemon"),
  verb("status", "./status.ts", "How the daemon is"),
  verb("doctor", "./doctor.ts", "Check what is stored, and say what to do about damage"),
  verb("backup", "./backup.ts", "Put everything that is stored into one file"),
  verb("restore", "./restore.ts", "Bring back what evs backup has put into a file"),
  verb("export", "./export.ts", "Print all events, for evs import"),
  verb("import", "./import.ts", "Store events that evs export has printed"),
  verb("check", "./check/mod.ts", "Check dead letters, lag and disk, as Nagios plug-ins do"),
  verb("with", "./with.ts", "Run a command with a private daemon"),
  verb("completions", "./completions.ts", "Completions for bash, zsh and fish"),
]);

function verb(name: string, path: string, brief: string): [string, LazyRoute] {
  return [name, { brief, load: () => load(path) }];
}
