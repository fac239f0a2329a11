/** Objects without their undefined members. */

/** Members that may be undefined become members that may be absent. */
export type Defined<T> =
  & { [K in keyof T as undefined extends T[K] ? never : K]: T[K] }
  & { [K in keyof T as undefined extends T[K] ? K : never]?: Exclude<T[K], undefined> };

/**
 * Returns the object without its undefined members. Use it where absence matters: in a spread, which
 * would overwrite values with undefined, and before `Object.keys`, `in` or `deepEqual`. JSON drops
 * undefined members anyway, and code that reads members by name does not need it. Do not use it for
 * every event: an object literal is about 20 times faster.
 *
 * ```ts
 * defined({ topic: "orders", key: undefined }); // { topic: "orders" }
 * ```
 */
export function defined<T extends object>(members: T): Defined<T> {
  const given = Object.entries(members).filter(([, value]) => value !== undefined);
  return Object.fromEntries(given) as Defined<T>;
}
