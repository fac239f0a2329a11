/** The audit log: who did what, and by which way. */

/** By which way somebody acted. `daemon`: nobody did, such as the end of a job. */
export type AuditWay = "cli" | "http" | "library" | "dashboard" | "daemon";

/** Who acted, as the client claims: a socket does not tell who is at its other end. */
export interface Actor {
  user?: string;
  host?: string;
  pid?: number;
  /** The words of the command, without its arguments. */
  command?: string;
}

/** Where an act comes from. What it does is recorded in its own transaction. */
export interface ActOrigin {
  way: AuditWay;
  by?: Actor;
  /** When, Unix ms. */
  at: number;
}

/** The last parameter of what can be an act. Without an origin it is not recorded. */
export interface ActOptions {
  act?: ActOrigin | undefined;
}

/** What is recorded. */
export const AUDIT_ACTS = [
  "topic.create",
  "topic.update",
  "topic.remove",
  "subscription.create",
  "subscription.update",
  "subscription.remove",
  "subscription.pause",
  "subscription.resume",
  "subscription.seek",
  "retries.now",
  "dead-letters.retry",
  "dead-letters.remove",
  "dead-letters.edit",
  "dead-letters.import",
  "group.note",
  "group.dismiss",
  "group.resolve",
  "group.reopen",
  "job.start",
  "job.cancel",
  "job.end",
  "schema.register",
  "schema.remove",
  "event.redact",
  "scheduled.cancel",
] as const;
export type AuditAct = typeof AUDIT_ACTS[number];

/** What was done to what. */
export interface AuditFacts {
  act: AuditAct;
  topic?: string;
  subscription?: string;
  /** Small facts by act, such as a count. Never what events say, keys or reasons of failures. */
  details?: Record<string, unknown>;
}

/** An act as recorded. */
export interface AuditRecord extends AuditFacts, ActOrigin {
  /** Ascends. */
  number: number;
}

/** Which acts to return: the newest first. */
export interface AuditQuery {
  since?: number;
  act?: string;
  topic?: string;
  subscription?: string;
  /** Only numbers below this. */
  before?: number;
  limit: number;
}
