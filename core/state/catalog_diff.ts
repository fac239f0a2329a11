/**
 * What has changed between two looks at the catalog of a state that several nodes share: its topics,
 * subscriptions, schemas and redactions. A node that learns that something has changed reads all of
 * it again, and acts on the differences as if it had made these changes itself.
 *
 * Both must be what the state said. What a process has in memory may be ahead of it, for example by
 * a topic that it is just making: that is in neither, and so no difference.
 */
import { canonicalJson } from "../json/json_object.ts";
import type { ChangeOf, StateChange, StateSnapshot } from "./state.ts";

/** The part of the state that every node has in memory. */
export type CatalogSnapshot = Pick<
  StateSnapshot,
  "topics" | "subscriptions" | "schemas" | "levels" | "redactions"
>;

/** The same where several processes share it. */
export interface SharedCatalogSnapshot extends CatalogSnapshot {
  /** The rev of all schemas together (core/state/stale.ts). */
  schemasRev: number;
}

const CATALOG_OPS = [
  "topic.put",
  "topic.remove",
  "subscription.put",
  "subscription.remove",
  "schema.put",
  "schema.remove",
  "schema.level",
  "redaction.put",
] as const;

/** A change of it. */
export type CatalogChange = ChangeOf<(typeof CATALOG_OPS)[number]>;

/** True for a change of the catalog. */
export function changesCatalog(change: StateChange): change is CatalogChange {
  return (CATALOG_OPS as readonly string[]).includes(change.op);
}

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
  const old = new Map(before.map((record) => [nameOf(...key(record)), record]));
  const put: T[] = [];
  for (const record of after) {
    const name = nameOf(...key(record));
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

/** The catalog after these changes. */
export function withCatalogChanges<C extends CatalogSnapshot>(
  catalog: C,
  changes: readonly CatalogChange[],
): C {
  if (changes.length === 0) return catalog;
  const topics = new Map(catalog.topics.map((one) => [one.name, one]));
  const subscriptions = new Map(catalog.subscriptions.map((one) => [one.name, one]));
  const schemas = new Map(catalog.schemas.map((one) => [nameOf(one.type, one.version), one]));
  const levels = new Map(catalog.levels.map((one) => [one.type, one]));
  const redactions = new Map(
    catalog.redactions.map((one) => [nameOf(one.topic, one.seq, one.id), one]),
  );
  const revs: { schemasRev?: number } = {};
  for (const change of changes) {
    if ("revs" in change && change.revs) revs.schemasRev = change.revs.rev;
    switch (change.op) {
      case "topic.put":
        topics.set(change.record.name, change.record);
        break;
      case "topic.remove":
        topics.delete(change.name);
        break;
      case "subscription.put":
        subscriptions.set(change.record.name, change.record);
        break;
      case "subscription.remove":
        subscriptions.delete(change.name);
        break;
      case "schema.put":
        schemas.set(nameOf(change.record.type, change.record.version), change.record);
        break;
      case "schema.remove":
        schemas.delete(nameOf(change.type, change.version));
        break;
      case "schema.level":
        if (change.record.level === "none") levels.delete(change.record.type);
        else levels.set(change.record.type, change.record);
        break;
      case "redaction.put": {
        const { topic, seq, id } = change.record;
        redactions.set(nameOf(topic, seq, id), change.record);
      }
    }
  }
  return {
    ...catalog,
    ...revs,
    topics: [...topics.values()],
    subscriptions: [...subscriptions.values()],
    schemas: [...schemas.values()],
    levels: [...levels.values()],
    redactions: [...redactions.values()],
  };
}

function nameOf(...parts: readonly (string | number)[]): string {
  return JSON.stringify(parts);
}
