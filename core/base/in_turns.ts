/** Long synchronous work in steps, so that everything else has its turn between two of them. */

import { isPromise } from "./maybe_promise.ts";
import { moduleState } from "./module_state.ts";

/** Sockets have their turn at least this often, ms. */
const OFTEN = 10;
/** While there is something to do, the runtime looks at sockets after 61 turns. */
const UNTIL_SOCKETS = 64;

/** When sockets have had their turn, and the end of the one that they are having. */
const turns = moduleState(() => ({
  last: -Infinity,
  sockets: undefined as Promise<void> | undefined,
}));

/**
 * Lets everything else have its turn. `setImmediate` is something to do: with one for each step, 61
 * steps of 10 ms would keep others waiting for half a second. So from time to time there are many
 * without a step, which take a quarter of a millisecond; all who have steps wait for the same ones.
 */
export async function turn(): Promise<void> {
  const state = turns();
  const { sockets, last } = state;
  if (sockets === undefined && performance.now() - last < OFTEN) return await immediate();
  await (state.sockets ??= turnOfSockets(state));
}

async function turnOfSockets(state: ReturnType<typeof turns>): Promise<void> {
  for (let n = 0; n < UNTIL_SOCKETS; n++) await immediate();
  state.sockets = undefined;
  state.last = performance.now();
}

function immediate(): Promise<void> {
  return new Promise((resolve) => void setImmediate(() => resolve()));
}

/**
 * Runs the steps and returns their result. `goOn` is called between two of them, and may throw to
 * give up. A step that is a promise is waited for, which gives others their turn, too.
 */
export async function inTurns<T>(
  steps: Iterator<unknown, T, undefined>,
  goOn: () => void = () => {},
): Promise<T> {
  for (let step = steps.next();; step = steps.next()) {
    if (step.done) return step.value;
    await (isPromise(step.value) ? step.value : turn());
    goOn();
  }
}
