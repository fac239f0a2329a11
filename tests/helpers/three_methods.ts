/** A store as an application may write one: the three methods of the interface and no more. */
import type { Event, EventStore } from "../../mod.ts";

/** Keeps events in an array. */
export class ThreeMethods implements EventStore {
  readonly events: Event[] = [];
  /** Keeps nothing, as long as it is true. */
  fails = false;

  saveEvent(event: Event): Promise<void> {
    if (this.fails) return Promise.reject(new Error("connection lost"));
    this.events.push(event);
    return Promise.resolve();
  }

  getEvents(topic: string): Promise<Event[]> {
    return Promise.resolve(this.events.filter((event) => event.topic === topic));
  }

  deleteEvents(): Promise<number> {
    return Promise.resolve(0);
  }
}
