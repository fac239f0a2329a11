/**
 * A program that handles events and dies on some of them: `dying_consumer.ts MODE PLACE LOG
 * [OPTIONS]`. MODE is `process` (its own broker on SQLite files in the folder PLACE) or `socket`
 * (PLACE is a daemon's socket). Each run of the handler appends a line to LOG: payload, delivery,
 * attempt. It kills itself if the payload is 0, and exits when nothing is left to do.
 */
import { type Broker, connect, EventBroker, SqliteEventStore, SqliteState } from "../../mod.ts";

const [mode, place = "", log = "", given = "{}"] = Deno.args;
const { maxDeliveries = 3, maxRetries, prefetch, concurrency, batch, slow = [] } = JSON.parse(
  given,
);

const broker: Broker = mode === "socket" ? await connect({ socket: place }) : new EventBroker({
  state: new SqliteState(`${place}/state.db`),
  eventStore: new SqliteEventStore(`${place}/events.db`),
});

function note(payload: number, context: { delivery: number; attempt: number }): void {
  Deno.writeTextFileSync(log, `${payload} ${context.delivery} ${context.attempt}\n`, {
    append: true,
  });
}

function handle(payload: number): unknown {
  if (payload === 0) Deno.kill(Deno.pid, "SIGKILL");
  return slow.includes(payload) ? new Promise((resolve) => setTimeout(resolve, 200)) : undefined;
}

const options = { name: "s", maxDeliveries, maxRetries, prefetch, concurrency, retryDelay: 0 };
if (batch === undefined) {
  broker.subscribe("t", (event, context) => {
    note(event.payload, context);
    return handle(event.payload);
  }, options);
} else {
  broker.subscribeBatch("t", async (events, context) => {
    for (const { payload } of events) note(payload, context);
    for (const { payload } of events) await handle(payload);
  }, { ...options, size: batch });
}
await broker.idle();
await broker.close();
