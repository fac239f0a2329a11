/** The pinned version of pg-boss, for the benchmark only. */
export * from "npm:pg-boss@12.38.0";
