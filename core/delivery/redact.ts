/** Takes a redacted event out of a queue: it is done, whether it waits, is leased or was not read. */
import { type StoredEvent, toWireLine } from "../event/event.ts";
import { withoutTexts } from "../state/redactions.ts";
import type { StateChange } from "../state/state.ts";
import type { Entry } from "./entry.ts";
import { Marks } from "./marks.ts";
import { cursorPlan, type Plan, removeRetry } from "./plan.ts";
import type { DeliveryQueue } from "./queue.ts";

/**
 * Plans that. What is leased stays so, and is done when its handler answers. Whether or not the plan
 * is committed, the event is not delivered any more. `isStored`: the topic has it at its seq.
 * Results in whether it was still to be done.
 */
export function planRedacted(
  queue: DeliveryQueue,
  event: StoredEvent,
  { isStored }: { isStored: boolean },
): Plan<boolean> {
  const { topic, seq, id } = event;
  const changes: StateChange[] = [];
  const settled = new Marks();
  const waiting: Entry[] = [];
  let isPending = false;
  const take = (entry: Entry) => {
    isPending = entry.redacted ? isPending : true;
    entry.redacted = true;
    if (entry.lease) redactLease(entry, event);
    else waiting.push(entry);
  };
  const retry = queue.ready.retryOf(topic, id);
  if (retry?.seq === seq) {
    changes.push(removeRetry(queue, retry));
    take(retry);
  }
  for (const lane of isStored ? queue.lanes.of(topic) : []) {
    if (seq > lane.lastSeq || lane.settled.has(seq)) continue;
    const held = queue.heldOf(lane).get(seq);
    const read = held ?? queue.bufferedOf(lane).find((entry) => entry.seq === seq);
    if (read) take(read);
    // Nobody knows its part before it is read, which its key does not tell any more. Then it counts.
    else if (queue.lanes.count > 1) continue;
    else isPending = true;
    if (!held) {
      settled.add(lane, seq, read?.part ?? 0);
      settled.join();
    }
  }
  const lanes = cursorPlan(queue, settled);
  return {
    changes: [...changes, ...lanes.changes],
    result: isPending,
    dead: [],
    apply() {
      lanes.apply();
      for (const entry of waiting) if (!entry.lease) queue.ready.drop(entry);
      if (isPending) queue.redacted++;
    },
    rollback: () => settled.undo(),
  };
}

/** Nothing of the event is left in memory for the case that its handler fails. */
function redactLease(entry: Entry, event: StoredEvent): void {
  entry.replace(event);
  const { record } = entry.lease!;
  if (!record) return;
  const attempts = withoutTexts(record.attempts);
  entry.lease!.record = { ...record, line: toWireLine(event), attempts };
}
