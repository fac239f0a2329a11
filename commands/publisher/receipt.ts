/** The output of a single publish: a sentence for people, a line of JSON in a pipe. */
import { EvsError } from "../../core/base/errors.ts";
import type { PublishReply } from "../../core/protocol/protocol.ts";

const NOTHING_STORED = "; nothing was stored";

/** The receipt, with its line feed. Accepted topics and ids contain nothing that needs escaping. */
export function formatReceipt(
  topic: string,
  options: { reply: PublishReply; forPeople: boolean },
): string {
  const { reply, forPeople } = options;
  const event = reply.events?.[0];
  const seq = event?.seq ?? reply.firstSeq;
  const duplicate = reply.duplicates > 0;
  // A repeat of a scheduled event has no seq yet.
  const waits = duplicate && event?.seq === 0;
  if (forPeople && waits) return `Is scheduled already: ${topic}, id ${event.id}\n`;
  if (forPeople && reply.past) {
    return `Its time had passed, so it was published at once: ${topic} ${seq}, id ${event?.id}\n`;
  }
  if (forPeople) {
    return `${duplicate ? "Was there already:" : "Published"} ${topic} ${seq}, id ${event?.id}\n`;
  }
  return JSON.stringify({
    topic,
    ...(waits ? { scheduled: true } : { seq }),
    id: event?.id,
    ...(event?.keySeq === undefined ? {} : { keySeq: event.keySeq }),
    ...(event?.expiresAt === undefined ? {} : { expiresAt: event.expiresAt }),
    ...(reply.past ? { past: true } : {}),
    ...(duplicate ? { duplicate } : {}),
    ...(reply.durable ? {} : { durable: false }),
  }) + "\n";
}

/**
 * The error of a single publish, and what became of the event: a refused one is not stored. `typed`
 * is a payload from the command line, where a shell removes quotes.
 */
export function told(error: unknown, typed?: string): unknown {
  if (!(error instanceof EvsError) || !error.code.startsWith("event/")) return error;
  const message = error.message.endsWith(NOTHING_STORED)
    ? error.message
    : error.message + NOTHING_STORED;
  const { code, status, exit, details, cause } = error;
  const hint = error.hint ?? (code === "event/invalid-json" ? quotingHint(typed) : undefined);
  return new EvsError({ code, status, exit }, message, { hint, details, cause });
}

/** What a payload that is not JSON was probably meant to be. */
function quotingHint(typed: string | undefined): string | undefined {
  if (typed === undefined || typed === "-") return undefined;
  if (typed === "") return `the payload is empty; without one, publish null or '{}'`;
  return /^\s*[[{]/.test(typed)
    ? `quote JSON for the shell, as in '{"userId":"u1"}'`
    : /^[^"']{1,60}$/.test(typed)
    ? `text takes --text, or is JSON in quotes: '${JSON.stringify(typed)}'`
    : undefined;
}
