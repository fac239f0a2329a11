/** What the charts of the dashboard draw, from metrics and from the daemon's history. */
import assert from "node:assert/strict";
import { chartOfHistory, chartOfSamples, extremesOf } from "../../dashboard/view/chart_data.ts";
import { sampleOf } from "../../dashboard/view/metrics_text.ts";

const METRICS = `# HELP evs_events_stored_total events
# TYPE evs_events_stored_total counter
evs_events_stored_total 10
evs_subscription_pending{subscription="a"} 3
evs_subscription_pending{subscription="evs_leases 7"} 4
evs_leases 2
evs_dead_letters 1
evs_disk_used_bytes 30
evs_disk_free_bytes 70
`;

Deno.test("sampleOf reads the series that are drawn, and sums up those with labels", () => {
  assert.deepEqual(sampleOf(METRICS, 5), {
    at: 5,
    stored: 10,
    pending: 7,
    leased: 2,
    deadLetters: 1,
    diskUsed: 30,
    diskFree: 70,
  });
  assert.equal(sampleOf("", 5).diskFree, undefined);
});

Deno.test("chartOfSamples draws rates between samples, also over a new start of the daemon", () => {
  const sample = sampleOf(METRICS, 1_000);
  const chart = chartOfSamples([
    sample,
    { ...sample, at: 3_000, stored: 30 },
    { ...sample, at: 4_000, stored: 5 },
    { ...sample, at: 5_000, stored: undefined, pending: undefined, diskFree: undefined },
  ]);
  assert.deepEqual(chart.times, [1, 3, 4, 5]);
  assert.deepEqual(chart.publishRate, [null, 10, 5, null]);
  assert.deepEqual(chart.lag, [9, 9, 9, null]);
  assert.deepEqual(chart.diskPercent, [30, 30, 30, null]);
});

Deno.test("chartOfHistory counts only the time in which a daemon ran, and leaves gaps", () => {
  const chart = chartOfHistory({
    from: 60_000,
    step: 60_000,
    covered: [0, 30_000, 60_000],
    daemon: {
      published: [null, 60, 60],
      pending: [null, 1, 2],
      leased: [null, 1, null],
      deadLetters: [null, 0, 4],
      diskFree: [null, 50, 0],
      diskUsed: [null, 50, 0],
    },
  });
  assert.deepEqual(chart.times, [60, 120, 180]);
  assert.deepEqual(chart.publishRate, [null, 2, 1]);
  assert.deepEqual(chart.lag, [null, 2, null]);
  assert.deepEqual(chart.deadLetters, [null, 0, 4]);
  assert.deepEqual(chart.diskPercent, [null, 50, null]);
});

Deno.test("extremesOf takes the last known and the greatest value", () => {
  assert.deepEqual(extremesOf([1, 5, null, 2, null]), { last: 2, most: 5 });
  assert.equal(extremesOf([null]), undefined);
});
