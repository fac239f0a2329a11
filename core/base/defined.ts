/** Objects without the members that nobody gave. */

/** Members that may be undefined become members that may be absent. */
export type Defined<T> =
  & { [K in keyof T as undefined extends T[K] ? never : K]: T[K] }
  & { [K in keyof T as undefined extends T[K] ? K : never]?: Exclude<T[K], undefined> };

/**
 * The object without its undefined members. For where it matters that they are absent: in a spread,
 * which would overwrite with undefined, and before `Object.keys`, `in` or `deepEqual`. JSON leaves
 * them out by itself, and who reads members by name sees no difference. Not for each event: a
 * literal is several times faster.
 *
 * ```ts
 * defined({ topic: "orders", key: undefined }); // { topic: "orders" }
 * ```
 */
export function defined<T extends object>(members: T): Defined<T> {
  const given = Object.entries(members).filter(([, value]) => value !== undefined);
  return Object.fromEntries(given) as Defined<T>;
}
