/** What `GET /v1/status` replies (wire types: protocol.ts). */
import type { HeldBack } from "../event/held_back.ts";
import type { ClusterInfo } from "./node.ts";
import type { RemovedDeadLetters } from "../event/removed_dead_letters.ts";

/** A limit from `[alert]` that was reached. */
export interface Alert {
  name: "dead_letters" | "lag" | "age" | "leased" | "disk";
  /** The subscription that it is about. */
  subscription?: string;
  /** A number, ms, or percent. */
  value: number;
  limit: number;
  message: string;
}

/** Something odd in the place of a spool: it is left alone. */
export interface SpoolFault {
  path: string;
  /** What is odd about it, without the path, as in "is a symbolic link, not a file". */
  what: string;
}

/** What publishers were refused in the last five minutes, without conflicts, which are normal. */
export interface RecentRefusal {
  /** The code of the error. */
  code: string;
  count: number;
}

/** `GET /v1/health`. */
export interface HealthReply {
  health: "ok" | "degraded" | "draining";
  /** Why the health is not `ok`. */
  problems: string[];
  /** Alerts configured under `[alert]`. They do not change the health. */
  alerts: Alert[];
  /** Absent if nothing was refused. */
  refused?: RecentRefusal[];
}

/** What publishers left in a folder of the spool while no daemon answered. */
export interface SpoolStatus {
  folder: string;
  /** Events that are not taken in yet. */
  waiting: number;
  /** Events that were refused and put aside. */
  refused: number;
  /** What is odd there and is left alone: the first ten; absent if nothing is. */
  faults?: SpoolFault[];
}

/** `GET /v1/status`. */
export interface StatusReply extends HealthReply {
  version: string;
  protocol: number;
  pid: number;
  /** Unix ms. */
  startedAt: number;
  uptimeMs: number;
  dataDir: string;
  socket: string;
  store: string;
  durability: string;
  topics: number;
  events: number;
  bytes: number;
  subscriptions: number;
  pausedSubscriptions: number;
  /** Retries that wait. */
  scheduled: number;
  /** Events that are published later. */
  scheduledEvents: number;
  /** Deliveries that did not take place since the start, because the event had expired. */
  expiredEvents: number;
  deadLetters: number;
  /** Those of them that are in open groups, neither dismissed nor resolved. */
  deadLettersOpen: number;
  /** What subscriptions hold back from retention, by topic; absent if nothing. */
  heldBack?: (HeldBack & { topic: string })[];
  /** What the limits of topics removed of their dead letters so far; absent if nothing. */
  deadLettersRemoved?: RemovedDeadLetters[];
  /** Absent if nothing is there. */
  spool?: SpoolStatus[];
  /** The database that has everything, and who shares it; absent: the store is none. */
  cluster?: ClusterInfo;
  schemas: number;
  connections: number;
  tails: number;
  memory: { rss: number };
  /** The Deno permission flags that the daemon was started with. */
  permissions: string[];
}
