/** Several values of which some may come later. */
import { isPromise, type MaybePromise } from "./maybe_promise.ts";

/** All of them: at once if none comes later. */
export function allReady<T>(values: readonly MaybePromise<T>[]): MaybePromise<T[]> {
  return values.some(isPromise) ? Promise.all(values) : values as T[];
}
