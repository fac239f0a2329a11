/**
 * Derives a TypeScript type from a JSON Schema (`as const`). Types only, and only what can be
 * expressed exactly: `type`, `properties`, `required`, `additionalProperties`, `items`,
 * `prefixItems`, `enum`, `const`, `anyOf`, `oneOf`, `allOf`. Anything else becomes `unknown`; the
 * schema still checks it at run time (docs/adr says why this is our own code).
 *
 * ```ts
 * import type { FromSchema } from "@env/env-event-stream";
 *
 * const placed = {
 *   type: "object",
 *   required: ["total"],
 *   properties: { total: { type: "number" }, note: { type: "string" } },
 * } as const;
 * interface Events {
 *   orders: { "order.placed": FromSchema<typeof placed> }; // { total: number; note?: string }
 * }
 * ```
 */

/** The type of the values that the schema accepts. */
export type FromSchema<S> = S extends true ? unknown
  : S extends false ? never
  : S extends { const: infer C } ? C
  : S extends { enum: readonly (infer V)[] } ? V
  : S extends { allOf: readonly (infer A)[] } ? SchemaOwnType<S> & SchemaIntersection<A>
  : S extends { anyOf: readonly (infer A)[] } ? SchemaOwnType<S> & FromSchema<A>
  : S extends { oneOf: readonly (infer A)[] } ? SchemaOwnType<S> & FromSchema<A>
  : SchemaOwnType<S>;

/** @internal */
export type SchemaOwnType<S> = S extends { type: infer T }
  ? T extends readonly (infer Each)[] ? OfType<Each, S> : OfType<T, S>
  : S extends { properties: object } ? ObjectOf<S>
  : unknown;

type OfType<T, S> = T extends "string" ? string
  : T extends "number" | "integer" ? number
  : T extends "boolean" ? boolean
  : T extends "null" ? null
  : T extends "array" ? ArrayOf<S>
  : T extends "object" ? ObjectOf<S>
  : unknown;

type ArrayOf<S> = S extends { prefixItems: infer P extends readonly unknown[] }
  ? S extends { items: false } ? { -readonly [K in keyof P]: FromSchema<P[K]> }
  : unknown[]
  : S extends { items: infer I } ? FromSchema<I>[]
  : unknown[];

type ObjectOf<S> = S extends { properties: infer P } ? Flat<
    & { -readonly [K in keyof P as K extends RequiredOf<S> ? K : never]: FromSchema<P[K]> }
    & { -readonly [K in keyof P as K extends RequiredOf<S> ? never : K]?: FromSchema<P[K]> }
    & { [K in Exclude<RequiredOf<S>, keyof P>]: unknown }
  >
  : S extends { additionalProperties: infer A } ? Record<string, FromSchema<A>>
  : Record<string, unknown>;

type RequiredOf<S> = S extends { required: readonly (infer R extends string)[] } ? R : never;

type Flat<T> = { [K in keyof T]: T[K] };

/** @internal */
export type SchemaIntersection<U> =
  (U extends unknown ? (of: FromSchema<U>) => void : never) extends (of: infer I) => void ? I
    : never;
