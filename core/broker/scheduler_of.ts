/** The scheduled events of a broker: in its own memory, or in the state that nodes share. */
import type { ScheduleHost, Scheduler } from "../state/scheduler.ts";
import type { StateSnapshot } from "../state/state.ts";
import { DEFAULT_DEDUP_WINDOW_MS } from "../store/dedup.ts";
import { publishNow } from "./publish_now.ts";
import { recheckBy } from "./recheck.ts";
import type { ScheduledEventsContext } from "./scheduled_context.ts";
import { ScheduledEvents } from "./scheduled_events.ts";
import type { SchemaGate } from "./schema_gate.ts";
import type { SharedCatalog } from "./shared_catalog.ts";

/** What both need. */
export interface SchedulerContext extends ScheduledEventsContext {
  gate: SchemaGate;
  /** Set if other nodes use the state, too. */
  shared: SharedCatalog | undefined;
}

/** Those that were accepted before are there. */
export function schedulerOf(
  context: SchedulerContext,
  snapshot: Pick<StateSnapshot, "scheduled">,
): Scheduler {
  const { shared, state } = context;
  const isShared = shared && state.transact && state.shared?.schedule;
  return isShared
    ? state.shared!.schedule!(hostOf(context, shared))
    : new ScheduledEvents(context, snapshot);
}

function hostOf(context: SchedulerContext, shared: SharedCatalog): ScheduleHost {
  const { clock, state, topics, writer, gate, expiry, onError } = context;
  return {
    clock,
    dedupWindow: context.dedupWindow ?? DEFAULT_DEDUP_WINDOW_MS,
    transact: state.transact!,
    under: (topic) => writer.under(topic),
    recheck: recheckBy({ shared, topics, gate }),
    withTopic: (topic, under, work) =>
      topics.locks.share(topic, async () => {
        writer.known(await topics.ensure(topic), { under });
        return await work();
      }),
    ifThere: (topic, work) =>
      topics.locks.share(topic, async () => {
        const record = await topics.pending(topic) ?? topics.get(topic);
        return record && await work({ topic: record.rev ?? 0 });
      }),
    refresh: () => shared.refresh(),
    publish: (topic, event) => publishNow(context, topic, event),
    stamp: (event) => expiry.stamp(event),
    onError,
  };
}
