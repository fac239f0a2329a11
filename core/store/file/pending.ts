/** What an append to a topic has taken and not committed yet. */
import { defined } from "../../base/defined.ts";
import type { NewEvent } from "../../event/event.ts";
import type { PackedRequest } from "../pack.ts";
import type { LineRooms } from "../packed_lines.ts";
import type { AppendOutcome } from "../store.ts";
import { packedRun, type Run } from "./run.ts";

/** The events of an append that was taken and is not committed. */
export interface Pending {
  runs: Run[];
  lastSeq: number;
  ids: Map<string, number>;
  keys: Map<string, number>;
  /** The number of the last event of each key, and of each event with a given id. */
  keySeqs: Map<string, number>;
  keySeqsAt: Map<number, number>;
  now: number;
}

/** Nothing yet, of an append to a topic that ends at `lastSeq`. */
export function newPending(lastSeq: number, now: number): Pending {
  return {
    runs: [],
    lastSeq,
    ids: new Map(),
    keys: new Map(),
    keySeqs: new Map(),
    keySeqsAt: new Map(),
    now,
  };
}

/** Notes what lookups need of an event. */
export function note(pending: Pending, event: NewEvent, seq: number): void {
  const { id, idGiven, key, keySeq } = event;
  if (idGiven) pending.ids.set(id, seq);
  if (key === undefined) return;
  pending.keys.set(key, seq);
  if (keySeq === undefined) return;
  pending.keySeqs.set(key, keySeq);
  if (idGiven) pending.keySeqsAt.set(seq, keySeq);
}

/** Takes a request that needs no lookups, without creating an object per event. */
export function takePacked(
  request: PackedRequest,
  pending: Pending,
  { rooms, keySeqs }: { rooms: LineRooms; keySeqs: readonly number[] | undefined },
): AppendOutcome {
  const { count, keys } = request;
  const firstSeq = pending.lastSeq + 1;
  const lastSeq = pending.lastSeq += count;
  const numbers = defined({ keySeqs });
  pending.runs.push(packedRun(request, firstSeq, { room: rooms.next(), ...numbers }));
  const noteKey = (key: string, i: number) => {
    pending.keys.set(key, firstSeq + i);
    pending.keySeqs.set(key, keySeqs![i]!);
  };
  if (typeof keys === "string") noteKey(keys, count - 1);
  else keys?.forEach((key, i) => key !== undefined && noteKey(key, i));
  return { ok: true, count, firstSeq, lastSeq, duplicates: [], ...numbers };
}

/** What the events of these runs count. */
export function sizeOfRuns(runs: readonly Run[]): number {
  return runs.reduce((size, run) => size + run.sum(0, run.count).size, 0);
}
