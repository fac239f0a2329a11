/** The pinned version of the JetStream client, for the benchmark only. */
export * from "npm:@nats-io/jetstream@3.4.0";
