/** The pinned version of the Redis client, for the benchmark only. */
export * from "npm:@redis/client@6.3.1";
