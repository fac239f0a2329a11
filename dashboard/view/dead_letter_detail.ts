/** Dead letters in full, with their events as the daemon wrote them. Pure. */
import type { DeadLetterDetail } from "../../core/protocol/protocol.ts";
import type { Attempt } from "../../core/event/attempt.ts";
import { elementsOf, type RawEvent, rawMembers, readEvent, withMember } from "./raw_event.ts";
import { compactJson } from "./json_text.ts";

/** A dead letter: as a value, and as it was written. */
export interface RawDeadLetter {
  detail: DeadLetterDetail;
  event: RawEvent;
  /** JSON on one line, as `evs dlq export` writes it. */
  line: string;
}

/** Reads the reply of `GET /v1/dead-letters/{id}`. */
export function readDeadLetters(json: string): RawDeadLetter[] {
  const list = rawMembers(json).get("deadLetters") ?? "[]";
  return elementsOf(list).map((line) => ({
    line,
    detail: JSON.parse(line) as DeadLetterDetail,
    event: readEvent(rawMembers(line).get("event") ?? "{}"),
  }));
}

/** The line of an entry whose event has another payload. */
export function entryWithPayload({ line }: RawDeadLetter, payload: string): string {
  const event = rawMembers(line).get("event") ?? "{}";
  return withMember(line, "event", withMember(event, "payload", compactJson(payload).trim()));
}

/** How an attempt ended, in a few words. */
export function attemptOutcome({ outcome, exitCode, signal }: Attempt): string {
  if (outcome === "expired") return "lease expired";
  if (signal !== undefined) return `killed by ${signal}`;
  return exitCode === undefined ? "failed" : `exit ${exitCode}`;
}
