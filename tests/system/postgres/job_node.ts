/**
 * A node for tests: a broker that starts one job on dead letters, if it is given one, and goes on
 * with it until it is killed. It says which job that is, how it ended, and what went wrong.
 */
import { openTelling } from "./telling_node.ts";
import { say } from "./say.ts";

const [url, host, ttlMs, request] = Deno.args;
const { state, broker } = await openTelling(url!, { host: host!, ttlMs: Number(ttlMs) });
await broker.ready;
const { jobs } = broker.deadLetters;
jobs.host({
  makeRoom: (work) => work(),
  ended: ({ job, state, done }) => say(`ended ${job} ${state} ${done}`),
});
say(`node ${state.node}`);
if (request) say(`job ${(await jobs.begin(JSON.parse(request))).job}`);
// The timers of a broker alone keep no process alive.
setInterval(() => {}, 1000);
