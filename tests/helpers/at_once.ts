/** What stores in this process return at once, without a promise. */
import { isPromise, type MaybePromise } from "../../core/base/maybe_promise.ts";

/** The value; throws if it is promised. */
export function atOnce<T>(value: MaybePromise<T>): T {
  if (isPromise(value)) throw new Error("a store in this process promises what it reads");
  return value;
}

/** All pages of a generator that never has to wait. */
export function pagesAtOnce<T>(pages: Iterable<T | Promise<void>>): T[] {
  return [...pages].map((page) => {
    if (isPromise(page)) throw new Error("a page of a store in this process comes later");
    return page;
  });
}

/** All pages of a generator that waits for some. */
export async function pagesLater<T>(pages: Iterable<T | Promise<void>>): Promise<T[]> {
  const all: T[] = [];
  for (const page of pages) {
    if (isPromise(page)) await page;
    else all.push(page);
  }
  return all;
}
