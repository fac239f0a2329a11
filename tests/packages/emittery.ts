/** The pinned version of emittery, for the benchmark only. */
export * from "npm:emittery@1.2.0";
export { default } from "npm:emittery@1.2.0";
