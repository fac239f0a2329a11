/**
 * What a transaction does first that changes the catalog: it waits for the others that do, so that
 * what it is compared with stays as it is until its commit, and compares what its changes were
 * decided from (core/state/stale.ts).
 */
import { type CatalogChange, changesCatalog } from "../catalog_diff.ts";
import type { BeforeRev, SchemaRevs } from "../stale.ts";
import type { StateChange } from "../state.ts";
import type { BoundStatement } from "./batches.ts";
import { listText, listType } from "./values.ts";

/** The SQLSTATE of evs.compare_catalog. */
export const STALE = "EVF03";

/** The functions of a step of core/state/postgres/migrations.ts. */
export const CATALOG_FUNCTIONS = `
  -- Whoever changes the catalog holds the row of its counter until the commit. NULL: there must be
  -- no record of that name.
  CREATE FUNCTION evs.compare_catalog(
    topics text[], topic_revs bigint[], of_subscriptions text[], subscription_revs bigint[],
    schemas_before bigint, schemas_rev bigint
  ) RETURNS void LANGUAGE plpgsql AS $$
  BEGIN
    UPDATE evs.counters SET rev = rev + 1 WHERE name = 'catalog';
    -- In statements of their own: they see what was committed while the first one waited.
    IF EXISTS (
      SELECT 1 FROM unnest(topics, topic_revs) AS asked(name, rev)
        LEFT JOIN evs.topic_options AS there ON there.name = asked.name
      WHERE there.rev IS DISTINCT FROM asked.rev
    ) OR EXISTS (
      SELECT 1 FROM unnest(of_subscriptions, subscription_revs) AS asked(name, rev)
        LEFT JOIN evs.subscriptions AS there ON there.name = asked.name
      WHERE there.rev IS DISTINCT FROM asked.rev
    ) THEN
      RAISE EXCEPTION 'somebody else has changed the catalog' USING ERRCODE = '${STALE}';
    END IF;
    IF schemas_rev IS NULL THEN RETURN; END IF;
    UPDATE evs.counters SET rev = schemas_rev WHERE name = 'schemas' AND rev = schemas_before;
    IF NOT FOUND THEN
      RAISE EXCEPTION 'somebody else has changed the schemas' USING ERRCODE = '${STALE}';
    END IF;
  END $$;
`;

const TEXTS = listType("text");
const NUMBERS = listType("bigint");
const COMPARE = `SELECT evs.compare_catalog(
  $1${TEXTS}, $2${NUMBERS}, $3${TEXTS}, $4${NUMBERS}, $5::bigint, $6::bigint)`;

/** What comes before these changes; nothing if none is of the catalog. */
export function catalogStatements(changes: readonly StateChange[]): BoundStatement[] {
  const all = changes.filter(changesCatalog);
  if (all.length === 0) return [];
  const topics = new Compared();
  const subscriptions = new Compared();
  let schemas: SchemaRevs | undefined;
  for (const change of all) {
    if ("revs" in change && change.revs) schemas = next(schemas, change.revs);
    else compare(change, { topics, subscriptions });
  }
  const values = [
    ...topics.lists(),
    ...subscriptions.lists(),
    schemas?.before ?? null,
    schemas?.rev ?? null,
  ];
  return [{ text: COMPARE, values }];
}

function compare(
  change: CatalogChange,
  { topics, subscriptions }: { topics: Compared; subscriptions: Compared },
): void {
  if (change.op === "topic.put") topics.put(change.record, change.before);
  else if (change.op === "topic.remove") topics.remove(change.name, change.before);
  else if (change.op === "subscription.put") subscriptions.put(change.record, change.before);
  else if (change.op === "subscription.remove") subscriptions.remove(change.name, change.before);
}

/** A rev that nobody has: what is compared with it is refused. */
const NEVER = -1;

/** Several changes of the schemas in a row, decided one after the other, are as one. */
function next(last: SchemaRevs | undefined, { before, rev }: SchemaRevs): SchemaRevs {
  if (last === undefined || (last.before === before && last.rev === rev)) return { before, rev };
  return { before: last.rev === before ? last.before : NEVER, rev };
}

/** The records of one kind that are compared: by name, once each. */
class Compared {
  readonly #asked = new Map<string, number | null>();
  /** What they are after the changes so far. */
  readonly #after = new Map<string, BeforeRev>();

  put({ name, rev = 0 }: { name: string; rev?: number }, before: BeforeRev | undefined): void {
    this.#compare(name, before);
    this.#after.set(name, rev);
  }

  remove(name: string, before: BeforeRev | undefined): void {
    this.#compare(name, before);
    this.#after.set(name, "none");
  }

  #compare(name: string, before: BeforeRev | undefined): void {
    if (before === undefined) return;
    const made = this.#after.get(name);
    if (made === undefined) this.#asked.set(name, before === "none" ? null : before);
    else if (made !== before) this.#asked.set(name, NEVER);
  }

  lists(): [string, string] {
    return [listText([...this.#asked.keys()]), listText([...this.#asked.values()])];
  }
}
