/** `POST /v1/topics/{topic}/events/{event}/redact`. */
import { namesOf } from "../base/options.ts";
import type { Redaction } from "../event/redaction.ts";

/** Its body, and the options of `redact` in the library. */
export interface RedactOptions {
  /** Why; at most 500 characters. Kept, and shown to every reader. */
  reason?: string;
  /** Who asks for it; at most 128 characters. */
  by?: string;
}

/** The names of these options. */
export const REDACT_OPTIONS: readonly string[] = namesOf<RedactOptions>({ reason: true, by: true });

/** Its reply. */
export interface RedactReply extends Redaction {
  /** The topic. */
  topic: string;
  /** The event's seq; 0: it is scheduled, or was in the spool, and has none. */
  seq: number;
  /** The event's id. */
  id: string;
  /** False if it was redacted before: nothing was done. */
  created: boolean;
  /** How many dead letters of the event were redacted. */
  deadLetters: number;
  /** How many subscriptions would still have delivered it; there it is done. */
  undelivered: number;
}
