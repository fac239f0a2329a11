/** Publishes an event that was to be published later, and is due already. */
import { defined } from "../base/defined.ts";
import type { NewEvent } from "../event/event.ts";
import type { Acceptance } from "../state/scheduler.ts";
import type { EventWriter } from "./event_writer.ts";
import { assertStored } from "./expectation.ts";
import type { ExpiryClock } from "./expiry_clock.ts";

/** Durable when it resolves. */
export async function publishNow(
  { writer, expiry }: { writer: EventWriter; expiry: ExpiryClock },
  topic: string,
  event: NewEvent,
): Promise<Acceptance> {
  const stamped = expiry.stamp(event);
  const outcome = await writer.append({ topic, events: [stamped] });
  const { firstSeq, duplicates: [repeat], keySeqs } = assertStored(topic, outcome);
  const keySeq = defined({ keySeq: keySeqs?.[0] || undefined });
  if (repeat !== undefined) return { seq: repeat.seq, ...keySeq, duplicate: true };
  return { seq: firstSeq, ...keySeq, ...defined({ expiresAt: stamped.expiresAt }) };
}
