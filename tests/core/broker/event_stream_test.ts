/** A stream gives the pages of its source one by one: each event once, in the order of the calls. */
import assert from "node:assert/strict";
import fc from "../../packages/fast_check.ts";
import { EventStream, type StreamOptions } from "../../../core/broker/event_stream.ts";
import type { Event } from "../../../core/event/event.ts";

function event(seq: number): Event {
  const type = "x";
  const place = { seq, id: `i${seq}`, topic: "t", timestamp: 0 };
  return { ...place, type, schemaVersion: "1.0", payload: seq, metadata: {} };
}

/** A stream whose pages come when they are told to; the last is undefined, or an error. */
function streamOf(options: StreamOptions = {}) {
  const pages: PromiseWithResolvers<Event[] | undefined>[] = [];
  const page = (n: number) => {
    while (pages.length <= n) {
      const one = Promise.withResolvers<Event[] | undefined>();
      one.promise.catch(() => {}); // it may be told before it is asked for
      pages.push(one);
    }
    return pages[n]!;
  };
  let [asked, told] = [0, 0];
  const stream = new EventStream({
    opened: Promise.resolve(),
    dropped: 0,
    pull: () => page(asked++).promise,
    close() {},
  }, options);
  return {
    stream,
    tell: (seqs: number[] | undefined) => page(told++).resolve(seqs?.map(event)),
    fail: (error: Error) => page(told++).reject(error),
  };
}

async function seqOf(
  next: Promise<IteratorResult<Event, undefined>>,
): Promise<number | undefined> {
  const { done, value } = await next;
  return done ? undefined : value.seq;
}

const steps = fc.array(
  fc.oneof(
    fc.constantFrom("call" as const, "all" as const, "turn" as const),
    fc.nat({ max: 4 }),
  ),
  { maxLength: 60 },
);

for (const overflow of ["wait", "drop-oldest"] as const) {
  Deno.test(`EventStream gives every event once, in the order of the calls, with ${overflow}`, async () => {
    await fc.assert(
      fc.asyncProperty(steps, async (steps) => {
        const { stream, tell } = streamOf({ overflow });
        const got: Promise<number | undefined>[] = [];
        let sent = 0;
        const call = () => got.push(seqOf(stream.next()));
        for (const step of steps) {
          if (step === "turn") await null;
          else if (step === "call") call();
          else if (step === "all") {
            while (got.length < sent) call();
            await Promise.all(got.slice(0, sent));
          } else tell(Array.from({ length: step }, () => ++sent));
        }
        tell(undefined);
        while (got.length <= sent) call();
        assert.deepEqual(
          await Promise.all(got),
          got.map((_, i) => i < sent ? i + 1 : undefined),
        );
      }),
      { numRuns: 300 },
    );
  });
}

Deno.test("EventStream lets no call overtake one that waits, whenever it comes", async () => {
  for (let ticks = 0; ticks < 30; ticks++) {
    const { stream, tell } = streamOf();
    const first = seqOf(stream.next());
    await new Promise((resolve) => setTimeout(resolve, 0));
    tell([1, 2]);
    for (let n = 0; n < ticks; n++) await null;
    const second = seqOf(stream.next());
    assert.deepEqual(await Promise.all([first, second]), [1, 2], `after ${ticks} ticks`);
    await stream.return();
  }
});

Deno.test("EventStream gives nothing after it was ended, wherever in a page", async () => {
  for (const read of [0, 1, 2, 3]) {
    const { stream, tell } = streamOf();
    tell([1, 2, 3]);
    for (let n = 0; n < read; n++) assert.equal(await seqOf(stream.next()), n + 1);
    await stream.return();
    assert.deepEqual(await stream.next(), { done: true, value: undefined });
  }
});

Deno.test("EventStream throws the error of its source once, behind the events before it", async () => {
  const { stream, tell, fail } = streamOf();
  tell([1, 2]);
  fail(new Error("gone"));
  assert.equal(await seqOf(stream.next()), 1);
  assert.equal(await seqOf(stream.next()), 2);
  await assert.rejects(stream.next(), /gone/);
  assert.equal(await seqOf(stream.next()), undefined);
});
