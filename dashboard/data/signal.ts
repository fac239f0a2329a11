/** A value that components watch: what is true of the whole page, such as whether a daemon is there. */
import { useEffect, useState } from "../packages/preact.ts";

/** A value and who wants to know when it changes. */
export class Signal<T> {
  #value: T;
  readonly #listeners = new Set<() => void>();

  constructor(value: T) {
    this.#value = value;
  }

  get value(): T {
    return this.#value;
  }

  set(value: T): void {
    if (Object.is(value, this.#value)) return;
    this.#value = value;
    for (const listener of [...this.#listeners]) listener();
  }

  /** Calls `listener` at each change, until the returned function is called. */
  watch(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }
}

/** The value of a signal; the component is rendered again when it changes. */
export function useSignal<T>(signal: Signal<T>): T {
  const [, render] = useState({});
  useEffect(() => {
    const seen = signal.value;
    const stop = signal.watch(() => render({}));
    // It may have changed between the first rendering and now.
    if (!Object.is(seen, signal.value)) render({});
    return stop;
  }, [signal]);
  return signal.value;
}
