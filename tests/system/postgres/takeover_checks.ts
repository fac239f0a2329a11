/**
 * What has to hold of nodes that take over from each other, for tests: each event is in one place,
 * attempts only rise, the events of a key come first in their order, and the database itself watches
 * that nothing is kept of what a node commits that does not own the part any more.
 */
import assert from "node:assert/strict";
import { until } from "../../helpers/evs.ts";
import type { PostgresServer } from "../../helpers/postgres.ts";

/** How often an event of the subscription "s" is tried again. */
export const MAX_RETRIES = 2;

/** How many attempts of an event fail: 10 % of the events do at first, a fifth of these always. */
export const failing = (n: number) => n % 50 === 0 ? 99 : n % 10 === 0 ? 1 : 0;

/** An attempt, as a node told it. */
export interface Handled {
  seq: number;
  key: string;
  attempt: number;
  at: number;
}

/** One as a node has told it (telling_node.ts). */
export function handledOf([seq, key, attempt, at]: readonly string[]): Handled {
  return { seq: Number(seq), key: key!, attempt: Number(attempt), at: Number(at) };
}

/** Has the database compare, at the end of each commit, who commits with who owns the part. */
export const WATCH = `
  CREATE SCHEMA watch;
  CREATE SEQUENCE watch.commits;
  CREATE TABLE watch.violations (subscription text, part bigint, by_node text, owner text);
  ALTER FUNCTION evs.hold_claims_2 RENAME TO hold_claims_3;
  CREATE FUNCTION evs.hold_claims_2(
    this_node text, subscriptions text[], parts bigint[], epochs bigint[], revs bigint[]
  ) RETURNS void LANGUAGE plpgsql AS $$ BEGIN
    PERFORM set_config('watch.node', this_node, true);
    PERFORM evs.hold_claims_3(this_node, subscriptions, parts, epochs, revs);
  END $$;
  CREATE FUNCTION watch.compare() RETURNS trigger LANGUAGE plpgsql AS $$
  DECLARE changed record := coalesce(NEW, OLD);
  BEGIN
    PERFORM nextval('watch.commits');
    INSERT INTO watch.violations
      SELECT subscription, part, current_setting('watch.node', true), node FROM evs.claims
      WHERE subscription = changed.subscription AND changed.part IN (part, -1)
        AND node IS NOT NULL AND node IS DISTINCT FROM current_setting('watch.node', true);
    RETURN NULL;
  END $$;
  ${
  ["cursors", "done", "retries"].map((table) =>
    `CREATE CONSTRAINT TRIGGER watch AFTER INSERT OR UPDATE OR DELETE ON evs.${table}
       DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION watch.compare();`
  ).join("\n")
}`;

/** Checks throughout that no retry's next attempt is one of before. */
export async function watchAttempts(server: PostgresServer, signal: AbortSignal): Promise<number> {
  const highest = new Map<string, number>();
  for (let looks = 0;; looks++) {
    const rows = lines(await server.sql("SELECT seq, next_attempt FROM evs.retries"));
    for (const [seq, attempt] of rows) {
      const before = highest.get(seq!) ?? 0;
      assert.ok(Number(attempt) >= before, `event ${seq}: attempt ${attempt} after ${before}`);
      highest.set(seq!, Number(attempt));
    }
    if (signal.aborted) return looks;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

const lines = (text: string) =>
  text.trim().split("\n").filter((line) => line !== "").map((line) => line.split("|"));

/** Waits until nothing of the subscription "s" is pending, neither to be retried. */
export async function untilSettled(server: PostgresServer, last: number): Promise<void> {
  const behind = `SELECT count(*) FROM generate_series(0, 15) AS asked(part) WHERE coalesce(
    (SELECT next FROM evs.cursors WHERE subscription = 's' AND cursors.part = asked.part),
    (SELECT next FROM evs.cursors WHERE subscription = 's' AND cursors.part = -1), 0) <= ${last}`;
  await until(async () => await server.sql(behind) === "0\n");
  await until(async () => await server.sql("SELECT count(*) FROM evs.retries") === "0\n");
}

/** The events of each key were delivered for the first time in their order. */
export function assertKeyOrder(handled: readonly Handled[]): void {
  const first = new Map<number, Handled>();
  for (const one of handled) {
    const before = first.get(one.seq);
    if (!before || one.at < before.at) first.set(one.seq, one);
  }
  const latest = new Map<string, Handled>();
  for (const one of [...first.values()].sort((a, b) => a.seq - b.seq)) {
    const before = latest.get(one.key);
    assert.ok(!before || before.at <= one.at, `${one.key}: ${one.seq} before ${before?.seq}`);
    latest.set(one.key, one);
  }
}

export async function assertOnePlaceEach(
  server: PostgresServer,
  { handled, count }: { handled: readonly Handled[]; count: number },
): Promise<void> {
  const expected = Array.from({ length: count }, (_, n) => n + 1).filter((n) => failing(n) > 1);
  const dead = lines(await server.sql("SELECT seq, attempts FROM evs.dead_letters ORDER BY seq"));
  assert.deepEqual(dead.map(([seq]) => Number(seq)), expected, "what fails is dead, nothing else");
  for (const [seq, attempts] of dead) {
    const numbers = JSON.parse(attempts!).map(({ attempt }: { attempt: number }) => attempt);
    assert.deepEqual(numbers, [1, 2, 3].slice(0, MAX_RETRIES + 1), `attempts of ${seq}`);
  }
  const done = new Set(
    handled.filter(({ seq, attempt }) => attempt > failing(seq)).map(({ seq }) => seq),
  );
  const missing = Array.from({ length: count }, (_, n) => n + 1)
    .filter((n) => failing(n) <= 1 && !done.has(n));
  assert.deepEqual(missing, [], "what is done was handled");
}
