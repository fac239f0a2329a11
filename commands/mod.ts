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
  verb("tail", "./tail.ts", "Follow topics as events arrive"),
  verb("replay", "./replay.ts", "Print or republish stored events"),
  verb("expect", "./expect.ts", "Wait for events; for CI"),
  verb("consume", "./consume.ts", "Run a command for each event"),
  verb("scheduled", "./scheduled/mod.ts", "List and cancel events that are published later"),
  verb("spool", "./spool/mod.ts", "List, retry and remove spooled events"),
  verb("dlq", "./dlq/mod.ts", "Inspect, fix, retry and remove dead letters"),
  verb("redact", "./redact.ts", "Erase what an event says, wherever it is kept"),
  verb("topic", "./topic/mod.ts", "Create, list, change and remove topics"),
  verb(
    "subscription",
    "./subscription/mod.ts",
    "Create, list, pause, seek and remove subscriptions",
  ),
  verb("schema", "./schema/mod.ts", "Register, list, compare and check schemas"),
  verb("daemon", "./daemon/mod.ts", "Start, stop and inspect the daemon"),
  verb("node", "./node/mod.ts", "List and drain the nodes that share a database"),
  verb("context", "./context/mod.ts", "Name daemons, and choose one of them"),
  verb("service", "./service/mod.ts", "Run the daemon, consumers and alerts under systemd"),
  verb("status", "./status.ts", "Show the daemon's status"),
  verb("top", "./top/mod.ts", "Watch subscriptions, dead letters and the daemon live"),
  verb(
    "dashboard",
    "./dashboard/mod.ts",
    "Show the daemon in the browser",
  ),
  verb("audit", "./audit.ts", "Show what was done, by whom and by which way"),
  verb("history", "./history.ts", "Show what happened in the last 72 hours"),
  verb("doctor", "./doctor.ts", "Verify stored data, and say how to repair damage"),
  verb("backup", "./backup.ts", "Back up everything to one file"),
  verb("restore", "./restore.ts", "Restore a backup"),
  verb("export", "./export.ts", "Print all events, for evs import"),
  verb("import", "./import.ts", "Import events printed by evs export"),
  verb("bench", "./bench/mod.ts", "Measure how fast the daemon is"),
  verb("check", "./check/mod.ts", "Check dead letters, lag, ages and disk for monitoring"),
  verb("alert", "./alert.ts", "Run a command when a condition begins and ends"),
  verb("with", "./with.ts", "Run a command with a private daemon"),
  verb("docs", "./docs.ts", "Read the documentation, offline"),
  verb("completions", "./completions.ts", "Completions for bash, zsh and fish"),
]);

function verb(name: string, path: string, brief: string): [string, LazyRoute] {
  return [name, { brief, load: () => load(path) }];
}
