/**
 * An append again, when its events were checked by what is not so any more. What was planned has a
 * copy of all that it was given: the buffers of packed requests are somebody else's by then.
 */
import type { EvsError } from "../../base/errors.ts";
import type { NewEvent } from "../../event/event.ts";
import type { AppendOutcome, AppendRequest, AtomicGroup } from "../store.ts";
import { type AppendPlan, SEPARATOR_BYTE } from "./append_plan.ts";

/** The requests of a plan. */
export function requestsIn({ units, under, payloads }: AppendPlan): AppendRequest[] {
  const payload = payloadsIn(payloads);
  const requests: AppendRequest[] = [];
  for (const { topic, expected, events, counts, requests: places } of units) {
    let from = 0;
    for (const [i, place] of places.entries()) {
      const own: NewEvent[] = [];
      for (const event of events.slice(from, from += counts[i]!)) {
        own.push({ ...event, payload: payload.next().value! });
      }
      const checked = under[place];
      requests[place] = { topic, expected, events: own, ...(checked ? { under: checked } : {}) };
    }
  }
  return requests;
}

function* payloadsIn(joined: Uint8Array): Generator<Uint8Array, undefined> {
  for (let from = 0;;) {
    const to = joined.indexOf(SEPARATOR_BYTE, from);
    if (to < 0) {
      yield joined.subarray(from);
      return;
    }
    yield joined.subarray(from, to);
    from = to + 1;
  }
}

/** What is left of an append. */
export interface Rest {
  requests: AppendRequest[];
  groups: AtomicGroup[];
  /** The places of these requests among those that there were. */
  places: number[];
  /** What became of the others. */
  refused: Map<number, AppendOutcome>;
}

/** What is left when some requests are refused; an atomic group is refused as a whole. */
export function withoutRefused(
  { requests, groups, refusals }: {
    requests: readonly AppendRequest[];
    groups: readonly AtomicGroup[];
    refusals: readonly (EvsError | undefined)[];
  },
): Rest {
  const errors = [...refusals];
  for (const { from, to } of groups) {
    const first = errors.slice(from, to).find((error) => error !== undefined);
    if (first) errors.fill(first, from, to);
  }
  const rest: Rest = { requests: [], groups: [], places: [], refused: new Map() };
  const begins = new Map(groups.map((group) => [group.from, group]));
  for (const [place, request] of requests.entries()) {
    const group = begins.get(place);
    const refused = errors[place];
    if (refused) {
      const none = { ok: false, expected: "any", actual: 0, subject: "topic" } as const;
      rest.refused.set(place, { ...none, refused });
      continue;
    }
    const from = rest.requests.length;
    if (group) rest.groups.push({ ...group, from, to: from + group.to - group.from });
    rest.requests.push(request);
    rest.places.push(place);
  }
  return rest;
}
