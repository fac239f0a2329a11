/** Dead letters for the tests of groups, and how many of them each group has. */
import type { DeadLetterRecord, State, StateChange } from "../../../core/state/state.ts";

export const line = new TextEncoder().encode('{"payload":1}\n');

function dead(id: string, reason: string, diedAt = 1): DeadLetterRecord {
  const event = { subscription: "s", topic: "t", seq: 1, id, type: "x" };
  return { ...event, reason, diedAt, attempts: [], line };
}

/** The change that adds one. */
export function put(id: string, reason: string, diedAt?: number): StateChange {
  return { op: "dead.put", record: dead(id, reason, diedAt) };
}

/** The dead letters that are there by group, those of parts in the whole. */
export async function present(state: State): Promise<Record<string, number>> {
  const parts = new Map((await state.deadLetterGroups()).map(({ id, merged }) => [id, merged]));
  const counts: Record<string, number> = {};
  for (const { group, count } of await state.deadLetterGroupCounts()) {
    const id = parts.get(group) ?? group;
    counts[id] = (counts[id] ?? 0) + count;
  }
  return counts;
}
