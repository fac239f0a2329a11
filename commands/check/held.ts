/** `evs check held`: the same as `evs check age`, for events that consumers have. */
export { held as route } from "./age.ts";
