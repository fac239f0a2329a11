/** `evs status`: the same as `evs daemon status`. */
export { status as route } from "./daemon/status.ts";
