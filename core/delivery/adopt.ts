/** How dead letters come back into a queue. */
import type { DeadLetterRecord, RetryRecord, StateChange } from "../state/state.ts";
import type { Now, TopicLane } from "./entry.ts";
import { cursorPlan, mark, type Plan } from "./plan.ts";
import { type DeliveryQueue, retryEntry } from "./queue.ts";

/**
 * Takes in dead letters as retries that are due now, with their history and a fresh grant of retries. An event that is
 * on its way here already is not taken in twice.
 */
export function planAdopt(
  queue: DeliveryQueue,
  records: readonly DeadLetterRecord[],
  now: Now,
): Plan {
  const changes: StateChange[] = [];
  const steps: (() => void)[] = [];
  const settled = new Map<TopicLane, number[]>();
  for (const record of records) {
    if (queue.shelf.retryOf(record.topic, record.id)) continue;
    const lane = queue.lanes.get(record.topic);
    if (lane?.held.get(record.seq)?.id === record.id) continue;
    const { reason: _reason, diedAt: _diedAt, editedAs: _editedAs, ...event } = record;
    const retry: RetryRecord = {
      ...event,
      subscription: queue.name,
      dueAt: now.wall,
      nextAttempt: (record.attempts.at(-1)?.attempt ?? 0) + 1,
      failures: 0,
    };
    changes.push({ op: "retry.put", record: retry });
    // A mended copy is an event of its own: it does not stand for the one of the topic.
    const takes = lane !== undefined && record.editedFrom === undefined && record.seq > 0 &&
      record.seq <= lane.lastSeq &&
      !lane.settled.has(record.seq);
    if (takes) {
      // At once, not when it is durable: nobody may lease it from the topic meanwhile.
      const twin = queue.shelf.bufferedOf(record.topic).find(({ seq }) => seq === record.seq);
      if (twin) queue.shelf.drop(twin);
      mark(settled, lane, record.seq);
    }
    steps.push(() => {
      const entry = retryEntry(retry, now, retry.line.length);
      entry.due = true;
      queue.shelf.addRetry(entry);
    });
  }
  const lanes = cursorPlan(queue, settled);
  changes.push(...lanes.changes);
  return {
    changes,
    result: undefined,
    dead: [],
    apply() {
      lanes.apply();
      for (const step of steps) step();
    },
    rollback() {
      for (const [lane, seqs] of settled) {
        for (const seq of seqs) {
          lane.settled.remove(seq);
          lane.readNext = Math.min(lane.readNext, seq);
        }
      }
      queue.rewind();
    },
  };
}
