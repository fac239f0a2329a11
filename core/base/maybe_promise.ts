/**
 * Values that are there at once, or later. Stores in this process answer at once, and what reads
 * them must not pay for a promise then: a promise for each page costs a turn of the loop, in which
 * others change what the reader has just looked at. So `const page = isPromise(got) ? await got :
 * got` where time matters, and a plain `await` where it does not.
 */

/** What is known now, or later. */
export type MaybePromise<T> = T | Promise<T>;

/** True for a value that comes later. */
export function isPromise<T>(value: MaybePromise<T>): value is Promise<T> {
  return typeof (value as Partial<Promise<T>> | null | undefined)?.then === "function";
}

/** Calls `next` with the value: at once if it is there, else when it has come. */
export function whenReady<T, R>(
  value: MaybePromise<T>,
  next: (value: T) => MaybePromise<R>,
): MaybePromise<R> {
  return isPromise(value) ? value.then(next) : next(value);
}

/**
 * The value, inside a generator whose steps others run: one that comes later is yielded as a
 * promise, for which the runner waits before the next step.
 */
export function* arrived<T>(value: MaybePromise<T>): Generator<Promise<void>, T, undefined> {
  if (!isPromise(value)) return value;
  let come: { value: T } | undefined;
  yield value.then((value) => void (come = { value }));
  if (come === undefined) throw new Error("a step was taken before what it waits for had come");
  return come.value;
}
