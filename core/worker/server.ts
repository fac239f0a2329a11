/** Calls to a worker, by number: the side that answers, in the order of their answers. */
import { EvsError, InternalError } from "../errors.ts";
import type { WorkerAnswer, WorkerCall } from "./client.ts";

/** Answers every call with what `handle` returns, resolves with or throws; one whose answer takes time lets others begin. */
export function serveCalls(handle: (call: unknown) => unknown): void {
  const port = self as unknown as {
    onmessage: (event: MessageEvent<WorkerCall>) => void;
    postMessage(answer: WorkerAnswer): void;
  };
  port.onmessage = ({ data: { id, call } }) => {
    try {
      const value = handle(call);
      if (value instanceof Promise) {
        value.then(
          (value) => port.postMessage({ id, ok: true, value }),
          (error) => port.postMessage(failure(id, error)),
        );
      } else {
        port.postMessage({ id, ok: true, value });
      }
    } catch (error) {
      port.postMessage(failure(id, error));
    }
  };
}

function failure(id: number, error: unknown): WorkerAnswer {
  const known = error instanceof EvsError ? error : new InternalError(
    error instanceof Error ? `${error.message}\n${error.stack ?? ""}` : String(error),
    { cause: error },
  );
  return { id, ok: false, error: known.toBody() };
}
