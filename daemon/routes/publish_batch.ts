/** A request of NDJSON as one append, whose first and last event carry its tag. */
import { withBatchTag } from "../../core/event/batch_tag.ts";
import { OWN_ID_BYTES } from "../../core/event/id.ts";
import { eventsOf, isPacked, type StoreRequest } from "../../core/store/pack.ts";

const encoder = new TextEncoder();

/** Several appends as one; undefined where there is nothing to append. */
export function oneRequest(requests: readonly StoreRequest[]): StoreRequest | undefined {
  const [first, ...more] = requests;
  if (first === undefined || more.length === 0) return first;
  return { topic: first.topic, events: requests.flatMap(eventsOf) };
}

/** The request with the tag in its first and its last id, which are ours. */
export function tagged(request: StoreRequest, tag: string): StoreRequest {
  if (!isPacked(request)) {
    const last = request.events.length - 1;
    const events = request.events.map((event, i) =>
      i === 0 || i === last ? { ...event, id: withBatchTag(event.id, tag) } : event
    );
    return { ...request, events };
  }
  const { ids, count } = request;
  if (typeof ids === "string") throw new TypeError("the ids of a batch are ours");
  const bytes = encoder.encode(tag);
  const before = OWN_ID_BYTES - bytes.length;
  ids.set(bytes, before);
  ids.set(bytes, (count - 1) * OWN_ID_BYTES + before);
  return request;
}
