/** `evs daemon status`: the same as `evs status`. */
export { route as status } from "../status.ts";
