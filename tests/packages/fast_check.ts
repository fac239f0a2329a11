/** The pinned version of fast-check, for tests only. */
export * from "npm:fast-check@4.10.2";
export { default } from "npm:fast-check@4.10.2";
