/**
 * Moves the cursors of a subscription whichever nodes own its parts, in one transaction: it takes all
 * parts from their owners, reads their rows, and plans the seek as on a queue that has all of them.
 * What owners commit meanwhile comes before or is refused, and they go on from the new cursors.
 */
import type { SeekReply, SeekRequest } from "../protocol/protocol.ts";
import { compilePattern } from "../event/topic_options.ts";
import type { PartRows } from "../state/coordinator.ts";
import type { SharedState } from "../state/shared.ts";
import type { Transact } from "../state/shared_act.ts";
import type { StateChange, SubscriptionRecord } from "../state/state.ts";
import type { EventReader } from "../store/reader.ts";
import type { Now } from "./entry.ts";
import type { Plan } from "./plan.ts";
import { DeliveryQueue } from "./queue.ts";
import { planSeek, type SeekSummary, seekTargets } from "./seek.ts";
import type { StartOffset } from "./start_offset.ts";

/** What a seek needs. */
export interface SharedSeek {
  record: SubscriptionRecord;
  /** Where to, in each topic of the subscription. */
  starts: readonly StartOffset[];
  store: Pick<EventReader, "head" | "refresh">;
  now(): Now;
  transact: Transact;
  shared: Pick<SharedState, "loadQueue">;
  /** What is committed together with it. */
  also(done: SeekSummary): StateChange[];
}

/** Seeks, or reports what that would do. */
export async function seekShared(
  request: Pick<SeekRequest, "dryRun">,
  context: SharedSeek,
): Promise<SeekReply> {
  const { record: { name: subscription }, starts, store, shared, transact, also } = context;
  if (request.dryRun) {
    const rows = await shared.loadQueue(subscription);
    return { dryRun: true, ...planOf(rows, context).result };
  }
  const done = await transact({
    on: [{ subscription, seize: true }],
    async decide(rows) {
      const stored = await rows.queue(subscription);
      // Of what others have stored, some may have failed already.
      await store.refresh?.(starts.map(({ topic }) => topic));
      const { changes, result } = planOf(stored, context);
      return { changes: [...changes, ...dueNow(stored, context), ...also(result)], result };
    },
  });
  return { dryRun: false, ...done };
}

function planOf(
  rows: PartRows,
  { record, starts, store, now }: SharedSeek,
): Plan<SeekSummary> {
  const { name, settings, parts = 1 } = record;
  const queue = new DeliveryQueue({ ...rows, name, settings, parts }, now());
  const covers = compilePattern(record.topic);
  for (const { topic } of starts) {
    if (!covers(topic)) continue;
    queue.addTopic(topic, 1);
    queue.look(topic, store.head(topic));
  }
  return planSeek(queue, seekTargets(queue, starts, store));
}

/** The retries that stay become due now, for whoever gets their parts. */
function dueNow({ retries }: PartRows, { starts, now }: SharedSeek): StateChange[] {
  const to = new Map(starts.map(({ topic, seq }) => [topic, seq]));
  const kept = retries.filter(({ topic, seq }) => seq >= (to.get(topic) ?? Infinity));
  return kept.map(({ subscription, topic, id }) => {
    return { op: "retry.due", subscription, topic, id, now: now().wall };
  });
}
