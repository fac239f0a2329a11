/** The pinned version of the NATS transport, for the benchmark only. */
export * from "npm:@nats-io/transport-node@3.4.0";
