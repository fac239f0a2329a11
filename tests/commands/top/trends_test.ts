/** The last hour of a subscription as a line of bars, where there is room. */
import assert from "node:assert/strict";
import fc from "../../packages/fast_check.ts";
import { screen } from "../../../commands/top/screen.ts";
import { initialState, received } from "../../../commands/top/state.ts";
import { trendOf } from "../../../commands/top/trends.ts";
import type { SubscriptionHistory } from "../../../core/protocol/history.ts";
import { anyReading } from "../../helpers/any_top_state.ts";

function history(pending: (number | null)[]): SubscriptionHistory {
  const none = pending.map(() => 0);
  return { pending, leased: none, scheduled: none } as unknown as SubscriptionHistory;
}

Deno.test("trendOf tells the greatest lag of each three minutes of the last hour", () => {
  const minutes = Array.from({ length: 61 }, (_, minute) => minute);
  const trend = trendOf(history(minutes));
  assert.equal(trend.length, 20);
  assert.deepEqual([trend[0], trend.at(-1)], [3, 60]);
});

Deno.test("trendOf knows nothing of the time without a daemon, and of that before it", () => {
  const trend = trendOf(history([null, null, null, 7, null, 2]));
  assert.deepEqual(trend.slice(-3), [undefined, undefined, 7]);
  assert.ok(trend.slice(0, -1).every((lag) => lag === undefined));
});

Deno.test("screen shows the last hour from 120 columns on", () => {
  const [reading] = fc.sample(anyReading, { numRuns: 1, seed: 1 });
  const { name } = { ...reading!.overview.subscriptions[0]! };
  const trends = new Map([[name, [1, 2, 4]]]);
  for (const [columns, isShown] of [[119, false], [120, true], [200, true]] as const) {
    const flags = { everyMs: 2000, place: [], sort: "name" as const, filter: "" };
    const state = initialState({ ...flags, size: { columns, rows: 60 } });
    const rows = screen(received(state, { ...reading!, trends }));
    const text = rows.map((row) => row.map((cell) => cell.text).join("")).join("\n");
    assert.equal(text.includes("LAG IN THE LAST HOUR"), isShown);
    assert.equal(text.includes("▂▄█"), isShown);
  }
});
