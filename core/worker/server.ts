/** Calls to a worker, by number: the side that answers, one call after the other. */
import { EvsError, InternalError } from "../errors.ts";
import type { WorkerAnswer, WorkerCall } from "./client.ts";

/** Answers every call with what `handle` returns or throws. */
export function serveCalls(handle: (call: unknown) => unknown): void {
  const port = self as unknown as {
    onmessage: (event: MessageEvent<WorkerCall>) => void;
    postMessage(answer: WorkerAnswer): void;
  };
  port.onmessage = ({ data }) => port.postMessage(answer(data, handle));
}

function answer({ id, call }: WorkerCall, handle: (call: unknown) => unknown): WorkerAnswer {
  try {
    return { id, ok: true, value: handle(call) };
  } catch (error) {
    const known = error instanceof EvsError ? error : new InternalError(
      error instanceof Error ? `${error.message}\n${error.stack ?? ""}` : String(error),
      { cause: error },
    );
    return { id, ok: false, error: known.toBody() };
  }
}
