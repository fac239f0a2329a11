/**
 * Uncaught errors: thrown in a timer or an event, a rejected promise that nobody awaits, a worker
 * that died. After one of them the state of the process is unknown: the error is reported, and the
 * process ends. Warnings of the runtime end nothing.
 */
import process from "node:process";

/** Calls `tell` with each, instead of letting the runtime print it and exit on the spot. */
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

/**
 * Calls `tell` with each warning of the runtime, which would print it. Nobody reads what a daemon
 * in the background prints: the write fails, and that is an error that nobody catches.
 */
export function onWarning(tell: (warning: Error) => void): void {
  process.removeAllListeners("warning");
  process.on("warning", tell);
}
