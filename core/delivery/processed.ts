/** Waits until a subscription is done with an event. */
import type { Clock } from "../base/clock.ts";
import type { ProcessedRequest } from "../protocol/protocol.ts";
import { setPatientTimer } from "../base/standstill.ts";
import { InvalidArgumentError } from "../base/errors.ts";
import { compilePattern } from "../event/topic_options.ts";
import type { SubscriptionDriver } from "./driver.ts";

/** Waits at most `waitMs` for a position, whose topic must be one that is subscribed to. */
export async function processedWithin(
  driver: SubscriptionDriver,
  { topic, seq, waitMs }: Required<ProcessedRequest>,
  { clock, signal }: { clock: Clock; signal: AbortSignal },
): Promise<boolean> {
  assertOn(driver, topic);
  driver.look();
  const over = new AbortController();
  const cancel = setPatientTimer(clock, () => over.abort(), waitMs);
  try {
    await driver.whenProcessed(topic, seq, AbortSignal.any([over.signal, signal]));
    return true;
  } catch (error) {
    if (!over.signal.aborted) throw error;
    return false;
  } finally {
    cancel();
  }
}

/** Throws `InvalidArgumentError` for a topic that the subscription does not cover. */
export function assertOn({ record: { name, topic } }: SubscriptionDriver, other: string): void {
  if (compilePattern(topic)(other)) return;
  throw new InvalidArgumentError(`the subscription ${name} is on ${topic}, not on ${other}`, {
    details: { subscription: name, topic: other },
  });
}
