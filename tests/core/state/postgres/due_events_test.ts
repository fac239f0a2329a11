/** Shows what becomes of scheduled events that are due when a node does not know their topic. */
import assert from "node:assert/strict";
import { toWireLine } from "../../../../core/event/event.ts";
import type { Postgres } from "../../../../core/postgres/connection.ts";
import { DueEvents } from "../../../../core/state/postgres/due_events.ts";
import { newEvent } from "../../../../testing/new_event.ts";
import { FakeClock } from "../../../helpers/fake_clock.ts";
import { until } from "../../../helpers/evs.ts";

/** A node on a database in which an event is due in the topic "t", until it is published. */
function startNode(known: Set<string>, refresh: (row: Set<string>) => void) {
  const event = { ...newEvent({ id: "a" }), topic: "t", seq: 1 };
  const due = { number: 1, id: "a", topic: "t", type: event.type, key: null, stamped: true };
  const waiting = new Set(["a"]);
  const published: string[] = [];
  const errors: unknown[] = [];
  const looks = { count: 0 };
  // deno-lint-ignore require-await -- what it stands for is asynchronous
  const query = async (_role: string, text: string): Promise<Record<string, unknown>[]> => {
    if (text.includes("publish_scheduled_1")) {
      published.push(...waiting);
      waiting.clear();
      return [{ answer: "{}" }];
    }
    if (text.includes("count(*)")) return [{ n: waiting.size }];
    const rows = waiting.size > 0 ? [{ ...due, line: toWireLine(event), sum: "", now: 0 }] : [];
    if (!text.includes("AS wait_ms")) return rows;
    looks.count++;
    return [{ wait_ms: rows.length > 0 ? 0 : null }];
  };
  const events = new DueEvents({
    postgres: { query } as unknown as Postgres,
    host: {
      clock: new FakeClock(),
      dedupWindow: 0,
      // deno-lint-ignore require-await -- what it stands for is asynchronous
      ifThere: async (topic, work) => known.has(topic) ? work({ topic: 1 }) : undefined,
      // deno-lint-ignore require-await -- what it stands for is asynchronous
      refresh: async () => refresh(waiting),
      stamp: (one) => one,
      onError: (error) => errors.push(error),
    },
    random: () => 0,
    appended: () => {},
    changed: () => {},
  });
  events.start();
  return { events, published, errors, looks };
}

Deno.test("DueEvents publishes an event once it has learned of its topic", async () => {
  const known = new Set<string>();
  const node = startNode(known, () => known.add("t"));
  await until(() => node.published.length > 0);
  await node.events.close();
  assert.deepEqual([node.published, node.errors], [["a"], []]);
});

Deno.test("DueEvents makes no topic again that was removed since its events were read", async () => {
  const node = startNode(new Set(), (waiting) => waiting.clear());
  await until(() => node.looks.count === 2);
  await node.events.close();
  assert.deepEqual([node.published, node.errors], [[], []]);
});
