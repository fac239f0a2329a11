/** The signals that end a program, and their exit codes. */

const ENDING: readonly Deno.Signal[] = ["SIGINT", "SIGTERM", "SIGHUP"];

const numbers: Partial<Record<Deno.Signal, number>> = {
  SIGHUP: 1,
  SIGINT: 2,
  SIGQUIT: 3,
  SIGILL: 4,
  SIGTRAP: 5,
  SIGABRT: 6,
  SIGBUS: 7,
  SIGFPE: 8,
  SIGKILL: 9,
  SIGUSR1: 10,
  SIGSEGV: 11,
  SIGUSR2: 12,
  SIGPIPE: 13,
  SIGALRM: 14,
  SIGTERM: 15,
};

/** Calls `handler` instead of ending, until the returned function is called. */
export function passSignals(handler: (signal: Deno.Signal) => void): () => void {
  const listeners = ENDING.map((signal) => ({ signal, listener: () => handler(signal) }));
  for (const { signal, listener } of listeners) Deno.addSignalListener(signal, listener);
  return () => {
    for (const { signal, listener } of listeners) Deno.removeSignalListener(signal, listener);
  };
}

/** 128 plus the number of the signal, as in a shell. */
export function signalCode(signal: Deno.Signal): number {
  return 128 + (numbers[signal] ?? 0);
}

/** The exit code that a shell would report. */
export function statusCode(status: Deno.CommandStatus): number {
  return status.signal === null ? status.code : signalCode(status.signal);
}
