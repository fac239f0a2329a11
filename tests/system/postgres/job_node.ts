/**
 * A node for tests: a broker that starts one job on dead letters, if it is given one, and goes on
 * with it until it is killed. It says which job that is, how it ended, and what went wrong.
 */
import { EventBroker, PostgresEventStore, PostgresState } from "@env/env-event-stream";

const [url, host, ttlMs, request] = Deno.args;
const encoder = new TextEncoder();

/** A line in one piece, so that a kill leaves none in halves but the last. */
const say = (line: string) => Deno.stdout.writeSync(encoder.encode(`${line}\n`));

const state = await PostgresState.open(url!, { host: host!, ttlMs: Number(ttlMs) });
const broker = new EventBroker({
  state,
  eventStore: new PostgresEventStore(url!),
  onError: (error, context) => say(`error ${context}: ${error}`),
});
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
