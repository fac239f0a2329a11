/**
 * Errors that nobody caught: thrown in a timer or an event, a promise that nobody waits for, a
 * worker that died. After one of them nothing is known of the state of the process: it is told, and
 * ends.
 */

/** Calls `tell` with each, instead of the runtime's own words and its end on the spot. */
export function onUncaught(tell: (error: unknown, how: string) => void): void {
  globalThis.addEventListener("error", (event) => {
    event.preventDefault();
    tell(event.error ?? new Error(event.message), "an error that nobody caught");
  });
  globalThis.addEventListener("unhandledrejection", (event) => {
    event.preventDefault();
    tell(event.reason, "a rejection that nobody caught");
  });
}
