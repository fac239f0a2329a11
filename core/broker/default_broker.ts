/** The default broker of a process. */
import { EventBroker } from "./event_broker.ts";

/** An in-memory broker that the whole process shares. */
export const defaultBroker: EventBroker = new EventBroker();
