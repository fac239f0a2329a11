/** Shows what the consumers of a life write down of a batch: what its broker is told, when it is. */
import assert from "node:assert/strict";
import type { Event } from "../../../core/event/event.ts";
import type { HandlerContext } from "../../../core/delivery/handler.ts";
import { SETTINGS } from "../judges/history.ts";
import { Judging } from "../judges/all.ts";
import { Consuming } from "./consuming.ts";
import type { Access, Place } from "./place.ts";
import { Recorder } from "./recorder.ts";

type HandleBatch = (events: Event[], context: HandlerContext) => Promise<unknown>;

/** A batch of an event that fails at once and one that is handled; its subscription may end meanwhile. */
async function outcomesOf(isCut: boolean): Promise<string[]> {
  const judging = new Judging();
  const place = { now: () => 0, wall: () => 0 } as unknown as Place;
  const recorder = new Recorder(place, judging);
  const told = () =>
    judging.facts.flatMap((fact) => fact.is === "ended" ? [`${fact.run} ${fact.outcome}`] : []);
  let handle: HandleBatch = () => Promise.resolve();
  const slow = Promise.withResolvers<void>();
  const access = {
    holder: "c#1",
    sleep: () => slow.promise,
    broker: {
      subscribeBatch(_topic: string, handler: HandleBatch) {
        handle = handler;
        return { ready: Promise.resolve() };
      },
    },
  } as unknown as Access;
  const settings = { ...SETTINGS, batch: 2 };
  await new Consuming(recorder).subscribe({ name: "s", topic: "a", settings }, access);
  const stop = new AbortController();
  const event = (n: number, payload: object) => ({
    topic: "a",
    seq: n,
    payload: { n, ...payload },
  });
  const events = [event(1, { script: ["throw"] }), event(2, { takesMs: 5 })] as Event[];
  const context = { subscription: "s", attempt: 1, signal: stop.signal };
  const handling = handle(events, context as unknown as HandlerContext);
  await Promise.resolve();
  assert.deepEqual(told(), [], "the broker knows of nothing before the batch has ended");
  if (isCut) stop.abort();
  slow.resolve();
  await handling;
  return told();
}

Deno.test("Consuming writes down the outcomes of a batch at its end", async () => {
  assert.deepEqual(await outcomesOf(false), ["1 failed", "2 done"]);
});

Deno.test("Consuming writes down no failure in a batch that its subscription cut short", async () => {
  assert.deepEqual(await outcomesOf(true), ["1 released", "2 done"]);
});
