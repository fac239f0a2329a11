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

/** Runs `work` on the whole list, whose errors then say that nothing of it was stored. */
export function onTheWhole<T>(work: () => T): T {
  try {
    return work();
  } catch (error) {
    throw retold(error, {});
  }
}

function elementError(element: number, cause: unknown): unknown {
  return retold(cause, { before: `element ${element}: `, more: { element } });
}

const NOTHING = "nothing was stored";

function retold(
  cause: unknown,
  { before = "", more }: { before?: string; more?: Record<string, unknown> },
): unknown {
  if (!(cause instanceof EventRefusedError || cause instanceof InvalidArgumentError)) return cause;
  const { code, message, hint, details } = cause.toBody();
  const text = `${before}${message}${message.includes(NOTHING) ? "" : `; ${NOTHING}`}`;
  const options = { hint, details: more ? { ...details, ...more } : details, cause };
  return cause instanceof EventRefusedError
    ? new EventRefusedError(code as RefusalCode, text, options)
    : new InvalidArgumentError(text, { ...options, code });
}
