/**
 * State that a module keeps for its thread. A module that keeps some does so through this, and not
 * in a variable: a simulated world (tests/world) runs many processes with many threads on one copy
 * of each module, and each of them must find its own.
 */

let simulated: (() => Map<unknown, unknown> | undefined) | undefined;

/** Returns a function for the state, which `make` makes when it is first asked for. */
export function moduleState<T extends object>(make: () => T): () => T {
  let own: T | undefined;
  return () => {
    const others = simulated?.();
    if (others === undefined) return own ??= make();
    let one = others.get(make) as T | undefined;
    if (one === undefined) others.set(make, one = make());
    return one;
  };
}

/** `stateOf` returns where the thread that runs now keeps its states; undefined: as usual. */
export function simulateThreads(
  stateOf: (() => Map<unknown, unknown> | undefined) | undefined,
): void {
  simulated = stateOf;
}
