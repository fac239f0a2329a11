/** What a single publish prints: a sentence for people, a line of JSON for a pipe. */
import { EvsError } from "../../core/errors.ts";
import type { PublishReply } from "../../core/client/protocol.ts";

/** The receipt, with its line feed. Topics and ids that the daemon took hold nothing that needs an escape. */
export function formatReceipt(
  topic: string,
  options: { reply: PublishReply; forPeople: boolean },
): string {
  const { reply, forPeople } = options;
  const event = reply.events?.[0];
  const seq = event?.seq ?? reply.firstSeq;
  const duplicate = reply.duplicates > 0;
  if (forPeople) {
    return `${duplicate ? "Was there already:" : "Published"} ${topic} ${seq}, id ${event?.id}\n`;
  }
  return JSON.stringify({
    topic,
    seq,
    id: event?.id,
    ...(duplicate ? { duplicate } : {}),
    ...(reply.durable ? {} : { durable: false }),
  }) + "\n";
}

/** The error of a single publish, with what became of the event: a refused one is not stored. */
export function told(error: unknown): unknown {
  if (error instanceof EvsError && error.code.startsWith("event/")) {
    error.message += "; nothing was stored";
  }
  return error;
}
