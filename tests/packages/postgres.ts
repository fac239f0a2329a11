/** The pinned version of postgres, for tests only. */
export { default } from "npm:postgres@3.4.9";
