/**
 * Values that are there at once, or later. Stores in this process answer at once, and what reads
 * them must not pay for a promise then: a promise for each page costs a turn of the loop, in which
 * others change what the reader has just looked at. So `const page = isPromise(got) ? await got :
 * got` where time matters, and a plain `await` where it does not.
 */

/** What is known now, or later. */
export type MaybePromise<T> = T | Promise<T>;

/** True for a value that comes later. */
export function isPromise<T, P>(value: T | Promise<P>): value is Promise<P> {
  return typeof (value as Partial<Promise<P>> | null | undefined)?.then === "function";
}

/** Calls `next` with the value: at once if it is there, else when it has come. */
export function whenReady<T, R>(
  value: MaybePromise<T>,
  next: (value: T) => MaybePromise<R>,
): MaybePromise<R> {
  return isPromise(value) ? value.then(next) : next(value);
}

/** All of the values: at once if all are there. */
export function allReady<T>(values: readonly MaybePromise<T>[]): MaybePromise<T[]> {
  return values.some(isPromise) ? Promise.all(values) : values as T[];
}

/**
 * The value, inside a generator: one that comes later is yielded as a promise, for which whoever
 * runs the generator waits before the next step ({@link resultOf}, or `inTurns`).
 */
export function* arrived<T>(value: MaybePromise<T>): Generator<Promise<void>, T, undefined> {
  if (!isPromise(value)) return value;
  let come: { value: T } | undefined;
  yield value.then((value) => void (come = { value }));
  if (come === undefined) throw new Error("a step was taken before what it waits for had come");
  return come.value;
}

/** Runs a generator that only waits: its result is there at once if nothing comes later. */
export function resultOf<T>(steps: Generator<Promise<void>, T, undefined>): MaybePromise<T> {
  const step = steps.next();
  return step.done ? step.value : resultAfter(step.value, steps);
}

async function resultAfter<T>(
  first: Promise<void>,
  steps: Generator<Promise<void>, T, undefined>,
): Promise<T> {
  for (let wait = first;;) {
    await wait;
    const step = steps.next();
    if (step.done) return step.value;
    wait = step.value;
  }
}
