/** The broker that a process shares when nobody made another. */
import { EventBroker } from "./event_broker.ts";

/** A broker in memory that the whole process shares. */
export const defaultBroker: EventBroker = new EventBroker();
