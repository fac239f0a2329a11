/** The pinned version of the official CloudEvents SDK, for tests only. */
export * from "npm:cloudevents@10.0.0";
