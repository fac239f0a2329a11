/** A handler that waits for its own end would wait forever: it gets an error instead. */
import type { Clock } from "../base/clock.ts";
import { ConflictError } from "../base/errors.ts";
import { setPatientTimer } from "../base/standstill.ts";
import { currentCall, type HandlerCall } from "../event/causation.ts";
import type { Position, WaitOptions } from "./subscription.ts";

/**
 * How long a handler may wait for other events of its own subscription while that handles no other
 * event, ms.
 */
const OTHERS_MS = 1_000;

/** The running handler of `runner` in which this is called; undefined elsewhere. */
export function ownCall(runner: object | undefined): HandlerCall | undefined {
  const call = currentCall();
  return runner !== undefined && call?.whose === runner ? call : undefined;
}

/** Throws `ConflictError` (`handler/waits-for-itself`) in a running handler of one of `runners`. */
export function refuseInHandler(
  runners: Iterable<object | undefined>,
  about: { method: string; hint: string },
): void {
  const call = currentCall();
  if (!call) return;
  for (const runner of runners) if (runner === call.whose) throw waitsForItself(call, about);
}

/**
 * Throws the same error if a handler waits for an event that it is handling itself, or for a later
 * one of the topic.
 */
export function refuseOwnEvent(call: HandlerCall, { topic, seq }: Position): void {
  if (seq === undefined) return;
  const isAhead = call.events.some((event) =>
    event.topic === topic && event.seq !== undefined && event.seq <= seq
  );
  if (isAhead) throw waitsForItself(call, WHEN_PROCESSED);
}

/**
 * Waits for another event of the handler's own subscription. If that handles nothing besides this
 * call, only events that were done before and are still being committed can become processed.
 */
export async function waitBesideCall(
  call: HandlerCall,
  { clock, signal, wait }: {
    clock: Clock;
    signal: AbortSignal | undefined;
    wait(options: WaitOptions): Promise<void>;
  },
): Promise<void> {
  if (!call.alone) return await wait(signal ? { signal } : {});
  const over = new AbortController();
  const cancel = setPatientTimer(clock, () => over.abort(), OTHERS_MS);
  try {
    await wait({ signal: signal ? AbortSignal.any([signal, over.signal]) : over.signal });
  } catch (error) {
    if (!over.signal.aborted || signal?.aborted) throw error;
    throw waitsForItself(call, WHEN_PROCESSED);
  } finally {
    cancel();
  }
}

/** What to do in a handler instead of waiting for all handlers. */
export const IDLE = {
  method: "idle()",
  hint: "return first; wait for the handlers outside of them",
};
/** What to do in a handler instead of closing its broker. */
export const CLOSE = {
  method: "close()",
  hint: "return first, and close outside of the handlers; unsubscribe() ends this one from inside",
};
const WHEN_PROCESSED = {
  method: "whenProcessed()",
  hint: "return first: the event is processed once its handler has returned",
};

function waitsForItself(
  { event: { topic, id } }: HandlerCall,
  { method, hint }: { method: string; hint: string },
): ConflictError {
  return new ConflictError(
    `${method} in a handler waits for that handler's own end, so it would never resolve`,
    { code: "handler/waits-for-itself", details: { method, topic, id }, hint },
  );
}
