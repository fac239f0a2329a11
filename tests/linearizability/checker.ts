/**
 * Judges whether a history is linearizable: whether every request can have taken effect at one
 * moment between its call and its answer. The search of Wing and Gong with the memory of Lowe
 * ("Testing for linearizability", 2017), as in Porcupine: take a request that may come next, go on,
 * go back where the answers do not fit, and never look twice at the same requests leading to the
 * same topic.
 *
 * A request without an answer may take effect at any time after its call. If it never did, it can
 * stand at the very end, where nobody sees it.
 */
import { isDeepStrictEqual } from "node:util";
import type { Operation } from "./history.ts";
import { EMPTY, type Log, step } from "./model.ts";

/** Why a history is not linearizable. */
export interface Violation {
  /** As many requests as fit, in an order in which they do. */
  order: Operation[];
  /** The answer that fits nowhere behind them. */
  stuck: Operation;
}

/** An entry of the list of calls and answers, in their order. */
interface Entry {
  operation: Operation;
  index: number;
  isCall: boolean;
  /** Of a call: its answer. */
  match?: Entry;
  previous?: Entry | undefined;
  next?: Entry | undefined;
}

/** Undefined if the history of one topic is linearizable. */
export function violationOf(history: readonly Operation[]): Violation | undefined {
  const head = listOf(history);
  const seen = new Set<string>();
  const stack: { entry: Entry; before: Log }[] = [];
  let log = EMPTY;
  let done = 0n;
  let furthest: Violation | undefined;
  let entry = head.next;
  while (head.next) {
    if (entry!.isCall) {
      const { operation, index } = entry!;
      const { told, then } = step(log, operation.ask);
      const taken = done | 1n << BigInt(index);
      const state = `${taken} ${then.name}`;
      const fits = operation.told === null || isDeepStrictEqual(told, operation.told);
      if (fits && !seen.has(state)) {
        seen.add(state);
        stack.push({ entry: entry!, before: log });
        [log, done] = [then, taken];
        lift(entry!);
        entry = head.next;
      } else entry = entry!.next;
      continue;
    }
    if (!furthest || stack.length > furthest.order.length) {
      const order = stack.map(({ entry }) => entry.operation);
      furthest = { order, stuck: entry!.operation };
    }
    const last = stack.pop();
    if (!last) return furthest;
    log = last.before;
    done &= ~(1n << BigInt(last.entry.index));
    unlift(last.entry);
    entry = last.entry.next;
  }
  return undefined;
}

/** Calls and answers by time; where both are at the same time, calls come first. */
function listOf(history: readonly Operation[]): Entry {
  const entries = history.flatMap((operation, index) => {
    const match: Entry = { operation, index, isCall: false };
    const call: Entry = { operation, index, isCall: true, match };
    return [{ at: operation.call, entry: call }, {
      at: operation.return ?? Infinity,
      entry: match,
    }];
  });
  // Infinity minus itself is no number.
  entries.sort((a, b) =>
    (a.at === b.at ? 0 : a.at - b.at) || Number(b.entry.isCall) - Number(a.entry.isCall)
  );
  const head: Entry = { operation: history[0]!, index: -1, isCall: false };
  let last = head;
  for (const { entry } of entries) {
    last.next = entry;
    entry.previous = last;
    last = entry;
  }
  return head;
}

/** Takes a call and its answer out of the list. */
function lift(call: Entry): void {
  for (const entry of [call, call.match!]) {
    entry.previous!.next = entry.next;
    if (entry.next) entry.next.previous = entry.previous;
  }
}

/** Puts them back where they were. */
function unlift(call: Entry): void {
  for (const entry of [call.match!, call]) {
    entry.previous!.next = entry;
    if (entry.next) entry.next.previous = entry;
  }
}

/** A violation in words: who did what, and which answer does not fit. */
export function told({ order, stuck }: Violation): string {
  const line = ({ client, ask, told, call, return: end }: Operation) =>
    `  client ${client} [${call}, ${end ?? "?"}] ${JSON.stringify(ask)} -> ${JSON.stringify(told)}`;
  return [
    `not linearizable: behind these ${order.length} requests`,
    ...order.slice(-20).map(line),
    "nothing explains",
    line(stuck),
  ].join("\n");
}
