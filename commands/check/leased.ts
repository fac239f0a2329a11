/** `evs check leased`: the same as `evs check age`, for events that consumers have. */
export { leased as route } from "./age.ts";
