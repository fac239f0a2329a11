/**
 * The picture of `evs top` in docs/monitoring.md is what it shows. With EVS_WRITE_SCREENS=1 it is
 * written into the page instead.
 */
import assert from "node:assert/strict";
import { screen } from "../../../commands/top/screen.ts";
import { initialState, received, type TopReading } from "../../../commands/top/state.ts";

const PAGE = new URL("../../../docs/monitoring.md", import.meta.url);
const PICTURE = /(?<=^```text\n)[^]*?(?=^```$)/m;
const AT = Date.parse("2026-11-29T10:00:00Z");
const SECOND = 1000;
const MINUTE = 60 * SECOND;

function subscription(name: string, topic: string, more: Record<string, unknown> = {}) {
  const none = { paused: false, pending: 0, leased: 0, scheduled: 0, dead: 0 };
  return { name, topic, ...none, settled: { acknowledged: 0, failed: 0, dead: 0 }, ...more };
}

function lease(seq: number, more: { attempt: number; since: number; pid: number }) {
  const { attempt, since, pid } = more;
  const event = { topic: "orders", seq, id: `o-${seq}`, type: "order.placed" };
  return { ...event, attempt, delivery: 1, unanswered: 0, since, consumer: { pid } };
}

const READING = {
  overview: {
    at: AT,
    status: {
      version: "0.1.0",
      pid: 1480,
      uptimeMs: 3 * 3600 * SECOND,
      health: "ok",
      problems: [],
      alerts: [{ message: "billing: an event is in flight for 4m" }],
      topics: 6,
      events: 1_204_311,
      bytes: 640_000_000,
      scheduled: 12,
      deadLetters: 42,
      connections: 14,
      tails: 1,
      memory: { rss: 81_000_000 },
    },
    disk: { free: 48e9, used: 52e9, size: 100e9 },
    total: 4,
    subscriptions: [
      subscription("billing", "orders", {
        pending: 1280,
        leased: 4,
        scheduled: 11,
        dead: 40,
        oldestPendingAt: AT - 4 * MINUTE,
        oldestLease: lease(5120, { attempt: 2, since: AT - 4 * MINUTE, pid: 4711 }),
        nextRetry: { dueAt: AT + 12 * SECOND },
      }),
      subscription("mailer", "orders", {
        paused: true,
        pauseReason: "mail server is moving",
        pending: 310,
        oldestPendingAt: AT - 26 * MINUTE,
      }),
      subscription("search-index", "**", {
        leased: 1,
        scheduled: 1,
        dead: 2,
        oldestPendingAt: AT - 3 * SECOND,
        oldestLease: lease(6403, { attempt: 1, since: AT, pid: 980 }),
        nextRetry: { dueAt: AT + 4 * MINUTE },
      }),
      subscription("audit", "users"),
    ],
  },
  rates: {
    stored: 131,
    acknowledged: 118.4,
    failed: 0.5,
    of: new Map([["billing", 6.5], ["mailer", 0], ["search-index", 111.9], ["audit", 0]]),
  },
  trends: new Map(),
  groups: [
    {
      reason: "exit code 1: CardError: no card on file",
      count: 40,
      lastAt: AT - 20 * SECOND,
      subscriptions: ["billing"],
    },
    {
      reason: "exit code 1: connect to * timed out",
      count: 2,
      lastAt: AT - 90 * MINUTE,
      subscriptions: ["search-index"],
    },
  ],
  warnings: [
    { at: AT - 26 * MINUTE, level: "warning", text: "subscription paused subscription=mailer" },
  ],
} as unknown as TopReading;

/** Times of day depend on where the test runs. */
const fold = (text: string) => text.replace(/\b\d\d:\d\d:\d\d\b/g, "HH:MM:SS");

/** The rows of a terminal of 80 by 24. */
function rowsOf(reading: TopReading): string[] {
  const flags = { size: { columns: 80, rows: 24 }, everyMs: 2000, place: [], filter: "" };
  const state = received(initialState({ ...flags, sort: "lag" }), reading);
  return screen(state).map((row) => row.map(({ text }) => text).join("").trimEnd());
}

Deno.test("screen names nodes and owners when several share a database, and one says nothing of it", () => {
  const { overview } = READING;
  const [billing, mailer, search, audit] = overview.subscriptions;
  const nodes = [{ alive: true }, { alive: true }, { alive: false }];
  const reading = (owners: unknown, some = nodes): TopReading => ({
    ...READING,
    overview: {
      ...overview,
      status: { ...overview.status, cluster: { nodes: some } },
      subscriptions: [billing, mailer, search, { ...audit, pending: 3, owners }],
    } as unknown as TopReading["overview"],
  });
  const shared = rowsOf(reading([{ node: "web1-3f9a02c1", parts: 10 }, { parts: 6 }]));
  assert.match(shared[2]!, /2 of 3 nodes/);
  assert.ok(shared.some((row) => /^audit .* on web1-3f9a02c1 10 /.test(row)), shared.join("\n"));
  assert.ok(rowsOf(reading([{ parts: 16 }])).some((row) => /^audit .* on no node /.test(row)));
  const alone = rowsOf(reading(undefined, [{ alive: true }]));
  assert.doesNotMatch(alone.join("\n"), /node|on web/);
});

Deno.test("docs/monitoring.md shows the screen of evs top", async () => {
  const rows = rowsOf(READING);
  const shown = `${rows.join("\n")}\n`;
  const page = await Deno.readTextFile(PAGE);
  if (Deno.env.get("EVS_WRITE_SCREENS") === "1") {
    await Deno.writeTextFile(PAGE, page.replace(PICTURE, () => shown));
    return;
  }
  assert.equal(fold(PICTURE.exec(page)![0]), fold(shown));
});
