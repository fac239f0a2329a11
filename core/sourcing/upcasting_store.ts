/**
 * Upcasters for the one read path that has no `upcast` option: a store's `getEvents`.
 * Subscriptions, repositories and projections have that option themselves.
 */
import type { Event } from "../event/event.ts";
import type { Upcasters } from "../schema/upcasters.ts";
import type { EventStore } from "../store/store.ts";

export { type Upcast, Upcasters } from "../schema/upcasters.ts";

/**
 * A view of the store that upcasts old events as they are read. What is stored does not change.
 *
 * ```ts
 * import { MemoryEventStore, Upcasters, withUpcasts } from "@env/env-event-stream";
 *
 * const upcasters = new Upcasters()
 *   .add("user.created", { from: "1.0", to: "2.0" }, ({ name }) => ({ fullName: name }));
 * const store = withUpcasts(new MemoryEventStore(), upcasters);
 * await store.getEvents("users"); // every user.created as 2.0
 * ```
 */
export function withUpcasts(store: EventStore, upcasters: Upcasters): EventStore {
  return {
    saveEvent: (event) => store.saveEvent(event),
    getEvents: async (topic: string, options?: unknown): Promise<Event[]> =>
      (await store.getEvents(topic, options)).map((event) => upcasters.upcast(event)),
    deleteEvents: (topic, before) => store.deleteEvents(topic, before),
  };
}
