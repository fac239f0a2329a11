/** The pinned version of graphile-worker, for the benchmark only. */
export * from "npm:graphile-worker@0.18.0";
