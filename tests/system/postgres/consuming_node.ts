/**
 * A node for tests: a broker that handles the events of one topic until it is killed, and tells of
 * each attempt as a line. What fails is written in the event.
 */
import { EventBroker, PostgresEventStore, PostgresState } from "@env/env-event-stream";

const [url, host, ttlMs] = Deno.args;
const encoder = new TextEncoder();

/** A line in one piece, so that a kill leaves none in halves but the last. */
const say = (line: string) => Deno.stdout.writeSync(encoder.encode(`${line}\n`));

const state = await PostgresState.open(url!, { host: host!, ttlMs: Number(ttlMs) });
const broker = new EventBroker({
  state,
  eventStore: new PostgresEventStore(url!),
  onError: (error, context) => say(`error ${context}: ${error}`),
});

broker.subscribe<{ failing: number }>("t", (event, { attempt }) => {
  // One clock for all processes of a machine.
  const now = performance.timeOrigin + performance.now();
  say(`handled ${event.seq} ${event.key} ${attempt} ${now}`);
  if (attempt <= event.payload.failing) throw new Error(`attempt ${attempt} fails`);
}, {
  name: "s",
  from: "start",
  concurrency: 8,
  maxRetries: 2,
  maxDeliveries: 1000,
  retryDelay: 20,
});
say(`node ${state.shared.coordinator({ clock: state.shared.clock, onError: () => {} }).node}`);
