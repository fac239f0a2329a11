/** A followed response that goes silent is given up, and a slow or suspended reader is not. */
import assert from "node:assert/strict";
import { SilenceWatch } from "../../../core/client/silence_watch.ts";
import { ConnectionLostError } from "../../../core/base/errors.ts";
import { FakeClock } from "../../helpers/fake_clock.ts";

/** A body whose pieces come when they are pushed. */
function pushed() {
  const held: Uint8Array[] = [];
  let wake = () => {};
  async function* body(signal: AbortSignal): AsyncGenerator<Uint8Array, void, undefined> {
    const broken = new Promise<never>((_, reject) => {
      signal.addEventListener("abort", () => reject(signal.reason));
    });
    for (;;) {
      while (held.length > 0) yield held.shift()!;
      await Promise.race([new Promise<void>((resolve) => wake = resolve), broken]);
    }
  }
  return {
    body,
    push(text = "\n") {
      held.push(new TextEncoder().encode(text));
      wake();
    },
  };
}

function watched(signal?: AbortSignal) {
  const clock = new FakeClock();
  const source = pushed();
  const silence = new SilenceWatch({ clock, limitMs: 3000, signal });
  const body = source.body(silence.signal);
  return { clock, source, silence, pieces: { next: () => silence.next(body) } };
}

Deno.test("SilenceWatch gives a response up when nothing comes for its limit, and not before", async () => {
  const { clock, source, silence, pieces } = watched();
  for (let n = 0; n < 5; n++) {
    const next = pieces.next();
    await clock.pass(2900);
    source.push();
    assert.equal((await next).done, false);
  }
  const next = pieces.next();
  next.catch(() => {}); // awaited below
  await clock.pass(2999);
  assert.equal(silence.isSilent, false);
  await clock.pass(1);
  assert.equal(silence.isSilent, true);
  await assert.rejects(next, ConnectionLostError);
  silence.close();
  assert.equal(clock.timers, 0);
});

Deno.test("SilenceWatch counts neither the time of a slow reader nor a standstill of its own", async () => {
  const { clock, source, silence, pieces } = watched();
  source.push();
  await pieces.next();
  // The reader is busy with the piece.
  await clock.pass(60_000);
  const next = pieces.next();
  await clock.pass(1000);
  // The process is suspended; what has come meanwhile is read after the timers that are due.
  clock.stand(60_000);
  await clock.pass(0);
  assert.equal(silence.isSilent, false);
  source.push("x");
  assert.deepEqual((await next).value, new TextEncoder().encode("x"));
  silence.close();
  assert.equal(clock.timers, 0);
});

Deno.test("SilenceWatch passes the caller's own signal on", () => {
  const abort = new AbortController();
  const { silence } = watched(abort.signal);
  abort.abort(new Error("enough"));
  assert.equal(silence.signal.reason.message, "enough");
  assert.equal(silence.isSilent, false);
});
