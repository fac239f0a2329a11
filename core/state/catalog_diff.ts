/**
 * What has changed between two looks at the catalog of a state that several nodes share: its topics,
 * subscriptions, schemas and redactions. A node that learns that something has changed reads all of
 * it again, and acts on the differences as if it had made these changes itself.
 *
 * Both must be what the state said. What a process has in memory may be ahead of it, for example by
 * a topic that it is just making: that is in neither, and so no difference.
 */
import { canonicalJson } from "../json/json_object.ts";
import type { ChangeOf, StateSnapshot } from "./state.ts";

/** The part of the state that every node has in memory. */
export type CatalogSnapshot = Pick<
  StateSnapshot,
  "topics" | "subscriptions" | "schemas" | "levels" | "redactions"
>;

/** A change of it. */
export type CatalogChange = ChangeOf<
  | "topic.put"
  | "topic.remove"
  | "subscription.put"
  | "subscription.remove"
  | "schema.put"
  | "schema.remove"
  | "schema.level"
  | "redaction.put"
>;

/**
 * The changes that make the second of the first, removals first. What was removed and made again
 * under the same name is both: nothing of the one that was there belongs to the one that is. Records
 * of redactions are never removed.
 */
export function diffCatalogs(before: CatalogSnapshot, after: CatalogSnapshot): CatalogChange[] {
  const topics = diff(before.topics, after.topics, lifeOf);
  const subscriptions = diff(before.subscriptions, after.subscriptions, lifeOf);
  const schemas = diff(before.schemas, after.schemas, ({ type, version }) => [type, version]);
  const levels = diff(before.levels, after.levels, ({ type }) => [type]);
  const redactions = diff(
    before.redactions,
    after.redactions,
    ({ topic, seq, id }) => [topic, seq, id],
  );
  return [
    ...subscriptions.gone.map(({ name }) => ({ op: "subscription.remove", name }) as const),
    ...topics.gone.map(({ name }) => ({ op: "topic.remove", name }) as const),
    ...schemas.gone.map(({ type, version }) => ({ op: "schema.remove", type, version }) as const),
    ...levels.gone.map(({ type }) => (
      { op: "schema.level", record: { type, level: "none" } } as const
    )),
    ...schemas.put.map((record) => ({ op: "schema.put", record }) as const),
    ...levels.put.map((record) => ({ op: "schema.level", record }) as const),
    ...topics.put.map((record) => ({ op: "topic.put", record }) as const),
    ...subscriptions.put.map((record) => ({ op: "subscription.put", record }) as const),
    ...redactions.put.map((record) => ({ op: "redaction.put", record }) as const),
  ];
}

/** Records that are not there any more, and those that are new or different. */
function diff<T>(
  before: readonly T[],
  after: readonly T[],
  key: (record: T) => readonly (string | number)[],
): { gone: T[]; put: T[] } {
  const old = new Map(before.map((record) => [JSON.stringify(key(record)), record]));
  const put: T[] = [];
  for (const record of after) {
    const name = JSON.stringify(key(record));
    const there = old.get(name);
    old.delete(name);
    if (there === undefined || !isSame(there, record)) put.push(record);
  }
  return { gone: [...old.values()], put };
}

function isSame(one: unknown, other: unknown): boolean {
  return one === other || canonicalJson(one) === canonicalJson(other);
}

/** One that is made again is another one. */
function lifeOf({ name, createdAt }: { name: string; createdAt: number }): [string, number] {
  return [name, createdAt];
}
