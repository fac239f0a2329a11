/**
 * The runtime's own functions, taken before a world replaces them. The engine uses these and never
 * the globals.
 */
const { setImmediate, Date, performance, Math } = globalThis;

/** What the engine needs of the real runtime. */
export const real = {
  setImmediate: setImmediate.bind(globalThis) as (callback: () => void) => unknown,
  Date,
  random: Math.random.bind(Math),
  now: performance.now.bind(performance),
  addEventListener: globalThis.addEventListener.bind(globalThis),
  removeEventListener: globalThis.removeEventListener.bind(globalThis),
  Deno: { ...Deno } as typeof Deno,
};

/** Resolves in the next turn of the real event loop: after all microtasks, and module imports. */
export function realTurn(): Promise<void> {
  return new Promise((resolve) => void real.setImmediate(() => resolve()));
}
