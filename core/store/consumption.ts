/**
 * How far a topic may be deleted that waits for its subscriptions (`keep: unconsumed`), or is
 * emptied by them (`drop: consumed`). Pure: the limits themselves are in retention_rule.ts.
 */
import type { TopicOptions } from "../event/topic_options.ts";
import type { TopicHead } from "./store.ts";

/** How far one named subscription has got in a topic. */
export interface ConsumerProgress {
  subscription: string;
  /** The first seq that it has not finished durably: neither done nor dead. */
  next: number;
}

/** What decides how far a topic is deleted. */
export interface ConsumptionView {
  options: Pick<TopicOptions, "keep" | "drop">;
  head: Pick<TopicHead, "firstSeq" | "lastSeq">;
  /** The lowest seq that the topic's limits keep. */
  limit: number;
  /** Every named subscription that the topic matches. */
  progress: readonly ConsumerProgress[];
}

/** What the limits would delete, if it were not for subscriptions. */
export interface Held {
  /** The first seq and the last. */
  from: number;
  to: number;
  /** Which subscriptions have not finished it; empty if there is none at all. */
  by: readonly string[];
}

/** How far a topic is deleted. */
export interface DeletionPlan {
  /** The lowest seq to keep. */
  keep: number;
  /** Set if subscriptions hold the limits back. */
  held?: Held;
}

/** True if what is deleted of a topic depends on its subscriptions. */
export function dependsOnConsumers({ keep, drop }: ConsumptionView["options"]): boolean {
  return keep === "unconsumed" || drop === "consumed";
}

/**
 * The lowest seq to keep, between the first and one more than the last. Without a subscription
 * nothing has been consumed: `keep` keeps everything, `drop` drops nothing.
 */
export function planDeletion({ options, head, limit, progress }: ConsumptionView): DeletionPlan {
  const { firstSeq, lastSeq } = head;
  const within = (seq: number) => Math.min(Math.max(seq, firstSeq), lastSeq + 1);
  const consumed = progress.length === 0
    ? firstSeq
    : within(progress.reduce((lowest, { next }) => Math.min(lowest, next), Infinity));
  const limited = within(limit);
  const isHeld = options.keep === "unconsumed" && consumed < limited;
  const allowed = isHeld ? consumed : limited;
  const keep = options.drop === "consumed" ? Math.max(allowed, consumed) : allowed;
  if (!isHeld) return { keep };
  const by = progress.filter(({ next }) => next < limited).map(({ subscription }) => subscription);
  return { keep, held: { from: consumed, to: limited - 1, by } };
}
