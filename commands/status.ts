/** `evs status`: the same as `evs daemon status`. */
export { route } from "./daemon/status.ts";
