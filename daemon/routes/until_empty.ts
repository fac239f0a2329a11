/**
 * When a subscription is empty that nodes share out: not if this node has nothing more, but if none
 * has. Whoever consumes until then waits for what others have, and takes it over when they stop.
 */
import { allParts } from "../../core/event/part.ts";
import type { LeaseReply } from "../../core/protocol/protocol.ts";
import type { Services } from "../services.ts";

/** How long to wait before looking again, ms. */
const LOOK_AGAIN_MS = 250;

type Rest = Omit<LeaseReply, "deliveries">;

/** What a lease request is told that found nothing here: what there is elsewhere counts, too. */
export async function restOfAll(
  rest: Rest,
  { services, name, signal }: { services: Services; name: string; signal: AbortSignal },
): Promise<Rest> {
  if (rest.paused || rest.pending + rest.leased + rest.scheduled > 0) return rest;
  const pending = await pendingElsewhere(services, name);
  if (pending === 0) return rest;
  // It asks again at once.
  await pause(signal);
  return { ...rest, pending };
}

/** About how many events no node has finished; 0 if this one has all parts, and so knows. */
async function pendingElsewhere(
  { broker: { store, subscriptions, topics }, cluster }: Services,
  name: string,
): Promise<number> {
  const driver = subscriptions.find(name);
  const { lanes } = driver?.queue ?? {};
  if (!cluster || !driver || !lanes || lanes.own === allParts(lanes.count)) return 0;
  const matching = topics.match(driver.record.topic);
  await store.refresh?.(matching);
  let pending = 0;
  for (const topic of matching) {
    const { firstSeq, lastSeq } = store.head(topic);
    if (lastSeq < firstSeq) continue;
    const next = await cluster.next({ topic, from: firstSeq, subscription: name });
    pending += Math.max(0, lastSeq - Math.max(next, firstSeq) + 1);
  }
  return pending;
}

function pause(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(done, LOOK_AGAIN_MS);
    signal.addEventListener("abort", done);
    function done() {
      clearTimeout(timer);
      signal.removeEventListener("abort", done);
      resolve();
    }
    if (signal.aborted) done();
  });
}
