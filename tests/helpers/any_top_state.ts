/** Arbitrary states of the screen of `evs top`, with names that try to break it. */
import fc from "../packages/fast_check.ts";
import type { OverviewReply, SubscriptionOverview } from "../../core/protocol/overview.ts";
import type { DeadLetterGroup } from "../../core/protocol/dead_letter_groups.ts";
import type { StatusReply } from "../../core/protocol/status.ts";
import { keepChosen, SORTS, type TopReading, type TopState } from "../../commands/top/state.ts";

/** Texts that terminals obey, measure differently, or show on a neighbour. */
export const HOSTILE = [
  "\x1b[2J\x1b]0;owned\x07",
  "\x9b31m\x9d0;owned\x9c",
  "日本語のサブスクリプション",
  "👩‍👩‍👧‍👦 family 👍🏽",
  "🇩🇪🇫🇷",
  "e\u0301\u0301\u0301\u0301",
  "\u0301lone mark",
  `z${"\u0489".repeat(200)}`,
  "\u202egpj.exe",
  "ﷺ ﷽ שלום",
  "a\r\nb\tc\x08\x08",
  "☎️ 1️⃣ ⌚ ✅",
  "\ud800",
  "",
];

/** Any name. */
export const anyName: fc.Arbitrary<string> = fc.oneof(
  fc.constantFrom(...HOSTILE),
  fc.string({ unit: "binary", maxLength: 200 }),
  fc.string({ unit: "grapheme", maxLength: 60 }),
  fc.stringMatching(/^[a-z][a-z0-9._-]{0,127}$/),
);

const AT = 1_796_000_000_000;
const count = fc.oneof(fc.nat(5), fc.nat(100_000), fc.nat(Number.MAX_SAFE_INTEGER));
const time = fc.integer({ min: AT - 10 ** 9, max: AT + 10 ** 7 });
const optional = <T>(of: fc.Arbitrary<T>) => fc.option(of, { nil: undefined });

const lease = fc.record({
  topic: anyName,
  seq: count,
  id: anyName,
  type: anyName,
  attempt: fc.integer({ min: 1, max: 1000 }),
  delivery: fc.constant(1),
  unanswered: fc.constant(0),
  since: time,
  expiresAt: optional(time),
  consumer: optional(fc.record({ pid: fc.nat(), command: anyName })),
});

const subscription: fc.Arbitrary<SubscriptionOverview> = fc.record({
  name: anyName,
  topic: anyName,
  paused: fc.boolean(),
  pauseReason: optional(anyName),
  pausedBy: optional(fc.constantFrom("person", "breaker", "command")),
  pausedUntil: optional(time),
  pending: count,
  leased: count,
  scheduled: count,
  dead: count,
  oldestPendingAt: optional(time),
  settled: fc.record({ acknowledged: count, failed: count, dead: count }),
  owners: optional(
    fc.array(fc.record({ node: optional(anyName), parts: count }), { maxLength: 4 }),
  ),
  oldestLease: optional(lease),
  nextRetry: optional(
    fc.record({
      topic: anyName,
      seq: count,
      id: anyName,
      type: anyName,
      attempt: count,
      dueAt: time,
    }),
  ),
});

const group: fc.Arbitrary<DeadLetterGroup> = fc.record({
  id: anyName,
  reason: anyName,
  count,
  firstAt: time,
  lastAt: time,
  subscriptions: fc.array(anyName, { maxLength: 4 }),
  example: fc.record({
    id: anyName,
    topic: anyName,
    seq: count,
    subscription: anyName,
    reason: anyName,
  }),
}) as fc.Arbitrary<DeadLetterGroup>;

const status = fc.record({
  version: anyName,
  pid: fc.nat(),
  startedAt: time,
  uptimeMs: count,
  health: fc.constantFrom("ok", "degraded", "draining"),
  problems: fc.array(anyName, { maxLength: 3 }),
  alerts: fc.array(fc.record({ message: anyName }), { maxLength: 3 }),
  refused: optional(fc.array(fc.record({ code: anyName, count }), { maxLength: 3 })),
  topics: count,
  events: count,
  bytes: count,
  scheduled: count,
  deadLetters: count,
  connections: count,
  tails: count,
  memory: fc.record({ rss: count }),
  cluster: optional(
    fc.record({ nodes: fc.array(fc.record({ alive: fc.boolean() }), { maxLength: 9 }) }),
  ),
}) as unknown as fc.Arbitrary<StatusReply>;

const disk = fc.record({ free: count, used: count, size: fc.integer({ min: 1 }) });

/** Any reading. */
export const anyReading: fc.Arbitrary<TopReading> = fc.record({
  overview: fc.record({
    at: fc.constant(AT),
    status,
    disk: optional(disk),
    stored: count,
    settled: fc.record({ acknowledged: count, failed: count, dead: count }),
    total: count,
    subscriptions: fc.uniqueArray(subscription, { maxLength: 30, selector: ({ name }) => name }),
  }) as fc.Arbitrary<OverviewReply>,
  rates: fc.record({
    stored: optional(fc.double({ min: 0, noNaN: true })),
    acknowledged: optional(fc.double({ min: 0, noNaN: true })),
    failed: optional(fc.double({ min: 0, noNaN: true })),
    of: fc.constant(new Map()),
  }),
  trends: fc.array(fc.array(optional(count), { maxLength: 20 }), { maxLength: 1 })
    .map((all) => new Map(all.map((trend) => [HOSTILE[2]!, trend]))),
  groups: fc.uniqueArray(group, { maxLength: 8, selector: ({ reason }) => reason }),
  warnings: fc.array(
    fc.record({ at: time, level: fc.constantFrom("warning", "error", "fatal"), text: anyName }),
    { maxLength: 5 },
  ),
});

/** Any size, also one that no screen has. */
export const anySize: fc.Arbitrary<TopState["size"]> = fc.oneof(
  fc.constantFrom({ columns: 80, rows: 24 }, { columns: 200, rows: 60 }, { columns: 1, rows: 1 }),
  fc.record({ columns: fc.integer({ min: 1, max: 250 }), rows: fc.integer({ min: 1, max: 70 }) }),
);

const action = fc.oneof(
  fc.record({ kind: fc.constant("pause" as const), name: anyName }),
  fc.record({ kind: fc.constant("retry" as const), group: anyName, count }),
  fc.record({ kind: fc.constant("event" as const), topic: anyName, seq: count }),
);

const overlay = fc.oneof(
  fc.constant({ kind: "help" as const }),
  fc.record({ kind: fc.constant("filter" as const), text: anyName, before: anyName }),
  fc.record({ kind: fc.constant("confirm" as const), action }),
  fc.record({
    kind: fc.constant("text" as const),
    title: anyName,
    command: anyName,
    lines: fc.array(anyName, { maxLength: 40 }),
    top: fc.nat(50),
  }),
);

/** Any state that the keys can lead to. */
export const anyTopState: fc.Arbitrary<TopState> = fc.record({
  size: anySize,
  everyMs: fc.integer({ min: 100, max: 100_000 }),
  place: fc.array(anyName, { maxLength: 2 }),
  reading: anyReading,
  lost: optional(fc.record({ since: time, message: anyName })),
  sort: fc.constantFrom(...SORTS),
  filter: fc.oneof({ weight: 3, arbitrary: fc.constant("") }, anyName),
  focus: fc.constantFrom("subscriptions", "groups"),
  chosen: fc.record({
    subscriptions: fc.record({ index: fc.nat(40), name: optional(anyName) }),
    groups: fc.record({ index: fc.nat(10), name: optional(anyName) }),
  }),
  overlay: optional(overlay),
  notice: optional(fc.record({ text: anyName, failed: fc.boolean() })),
}).map((state) => keepChosen(state as TopState));
