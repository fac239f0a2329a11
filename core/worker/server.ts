/**
 * Numbered calls to a worker: the answering side, which answers calls as they finish. Large buffers
 * that came with a call go back with its answer, to be reused.
 */
import { EvsError, InternalError } from "../base/errors.ts";
import type { WorkerAnswer, WorkerCall, WorkerSign } from "./client.ts";

/**
 * Answers every call with what `handle` returns, resolves to or throws. A call that takes time does
 * not keep the next one from starting. `ready` tells the caller that the next call may follow.
 * `work.note` is called after each call has started, so that the first answer does not wait for
 * whatever `note` loads.
 */
export function serveCalls(
  handle: (call: unknown, ready: () => void) => unknown,
  work?: { note(): void },
): void {
  const port = self as unknown as {
    onmessage: (event: MessageEvent<WorkerCall>) => void;
    postMessage(answer: WorkerAnswer | WorkerSign, transfer?: ArrayBuffer[]): void;
  };
  port.onmessage = ({ data: { id, call, lent } }) => {
    const succeed = (value: unknown) => port.postMessage({ id, ok: true, value, lent }, lent);
    const fail = (error: unknown) => port.postMessage({ ...failure(id, error), lent }, lent);
    try {
      const value = handle(call, () => port.postMessage({ id, ready: true }));
      if (value instanceof Promise) value.then(succeed, fail);
      else succeed(value);
    } catch (error) {
      fail(error);
    }
    work?.note();
  };
}

function failure(id: number, error: unknown) {
  const known = error instanceof EvsError ? error : new InternalError(
    error instanceof Error ? `${error.message}\n${error.stack ?? ""}` : String(error),
    { cause: error },
  );
  return { id, ok: false as const, error: known.toBody() };
}
