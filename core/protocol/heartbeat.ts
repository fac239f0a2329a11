/** Heartbeats of a followed topic: what client and daemon agree on. */

/** How often a follower of ours asks for a heartbeat, as the query says it. */
export const HEARTBEAT = "1s";
/** The same, ms. */
export const HEARTBEAT_MS = 1000;
/** After this many without one, nobody is there. */
export const MOST_SILENT = 3;
/** How often a reader of server-sent events gets one who did not ask, ms. */
export const SSE_HEARTBEAT_MS = 15_000;
