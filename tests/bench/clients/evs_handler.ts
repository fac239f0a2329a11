/**
 * P8, ours: a handler behind `connect()`, one event at a time. `evs_handler.ts SOCKET NAME COUNT`
 */
import { connect } from "../../../mod.ts";

const [socket = "", name = "", count = "0"] = Deno.args;
await using broker = await connect({ socket });
let left = Number(count);
const done = Promise.withResolvers<void>();
broker.subscribe<{ n?: unknown }>("bench", ({ payload }) => {
  if (payload.n === undefined) throw new Error("no payload");
  if (--left === 0) done.resolve();
}, { name, from: "start" });
await done.promise;
