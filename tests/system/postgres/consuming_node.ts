/**
 * A node for tests: a broker that handles the events of one topic until it is killed, and tells of
 * each attempt as a line.
 */
import { failAsAsked, HANDLING, openTelling, sayHandled, type Work } from "./telling_node.ts";
import { say } from "./say.ts";

const [url, host, ttlMs] = Deno.args;
const { state, broker } = await openTelling(url!, { host: host!, ttlMs: Number(ttlMs) });

broker.subscribe<Work>("t", (event, { attempt }) => {
  sayHandled(event, attempt);
  failAsAsked(event, attempt);
}, HANDLING);
say(`node ${state.shared.coordinator({ clock: state.shared.clock, onError: () => {} }).node}`);
