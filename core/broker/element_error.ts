/** Errors of one event among several that are stored all or none: they name it by its position. */
import { EventRefusedError, InvalidArgumentError, type RefusalCode } from "../base/errors.ts";

/** Runs `work` on the `element`-th event, from 1, and names it in the error that it throws. */
export function atElement<T>(element: number, work: () => T): T {
  try {
    return work();
  } catch (error) {
    throw elementError(element, error);
  }
}

function elementError(element: number, cause: unknown): unknown {
  if (!(cause instanceof EventRefusedError || cause instanceof InvalidArgumentError)) return cause;
  const { code, message, hint, details } = cause.toBody();
  const text = `element ${element}: ${message}; nothing was stored`;
  const options = { hint, details: { ...details, element }, cause };
  return cause instanceof EventRefusedError
    ? new EventRefusedError(code as RefusalCode, text, options)
    : new InvalidArgumentError(text, { ...options, code });
}
