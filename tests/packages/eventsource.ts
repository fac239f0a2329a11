/** The pinned version of eventsource, for tests only. */
export * from "npm:eventsource@5.1.5";
