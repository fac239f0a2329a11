/** Times without a zone are local, as they are shown. Each zone needs its own process. */
import assert from "node:assert/strict";

const MODULE = new URL("../../../commands/terminal/local_time.ts", import.meta.url);

/** What the functions give in a time zone: the result, or `refused`. */
async function inZone(zone: string, calls: readonly [string, unknown][]): Promise<unknown[]> {
  const script = `
    import * as times from ${JSON.stringify(MODULE.href)};
    const results = ${JSON.stringify(calls)}.map(([name, argument]) => {
      try { return times[name](argument); } catch (error) { return "refused: " + error.code; }
    });
    console.log(JSON.stringify(results));`;
  const { stdout, stderr, success } = await new Deno.Command(Deno.execPath(), {
    args: ["eval", "--quiet", script],
    env: { TZ: zone, NO_COLOR: "1" },
  }).output();
  assert.ok(success, new TextDecoder().decode(stderr));
  return JSON.parse(new TextDecoder().decode(stdout));
}

const REFUSED = "refused: argument/invalid";

const OFFSETS: Record<string, [typed: string, meant: string][]> = {
  "Europe/Berlin": [
    ["@2026-11-23T10:00:00", "@2026-11-23T09:00:00.000Z"],
    ["@2026-07-01 10:00", "@2026-07-01T08:00:00.000Z"],
    ["@2026-07-01T10:00:00.123456789", "@2026-07-01T08:00:00.123Z"],
    ["@2026-07-01", "@2026-06-30T22:00:00.000Z"],
    // The doubled hour is the earlier one.
    ["@2026-10-25T02:30", "@2026-10-25T00:30:00.000Z"],
    ["@2026-10-25T03:00", "@2026-10-25T02:00:00.000Z"],
    // The hour that the clocks pass over is none.
    ["@2026-03-29T02:30", REFUSED],
    ["@2026-03-29T01:59:59", "@2026-03-29T00:59:59.000Z"],
    ["@2026-03-29T03:00", "@2026-03-29T01:00:00.000Z"],
    // What has a zone, and what is no time, stays as it is.
    ["@2026-11-23T10:00:00Z", "@2026-11-23T10:00:00Z"],
    ["@2026-11-23T10:00+05:30", "@2026-11-23T10:00+05:30"],
    ["@1790000000000", "@1790000000000"],
    ["@-1h", "@-1h"],
    ["-10", "-10"],
    ["@2026-02-30", "@2026-02-30"],
    ["@2026-11-23T25:00", "@2026-11-23T25:00"],
  ],
  "America/New_York": [
    ["@2026-11-23T10:00", "@2026-11-23T15:00:00.000Z"],
    ["@2026-11-01T01:30", "@2026-11-01T05:30:00.000Z"],
    ["@2026-03-08T02:15", REFUSED],
  ],
  "Asia/Kolkata": [["@2026-11-23", "@2026-11-22T18:30:00.000Z"]],
  // Its days in spring began at one o'clock.
  "America/Sao_Paulo": [["@2017-10-15", "@2017-10-15T03:00:00.000Z"]],
  "UTC": [["@2026-11-23T10:00:00", "@2026-11-23T10:00:00.000Z"]],
};

for (const [zone, cases] of Object.entries(OFFSETS)) {
  Deno.test(`localOffset takes a time without a zone for a local one in ${zone}`, async () => {
    const results = await inZone(zone, cases.map(([typed]) => ["localOffset", typed]));
    assert.deepEqual(results, cases.map(([, meant]) => meant));
  });
}

Deno.test("formatLocalTime shows the offset, also of half hours and behind UTC", async () => {
  const at = Date.UTC(2026, 10, 23, 9, 5, 7, 8);
  const shown = {
    "Europe/Berlin": "2026-11-23 10:05:07+01:00",
    "America/New_York": "2026-11-23 04:05:07-05:00",
    "Asia/Kolkata": "2026-11-23 14:35:07+05:30",
    "UTC": "2026-11-23 09:05:07+00:00",
  };
  for (const [zone, text] of Object.entries(shown)) {
    assert.deepEqual(await inZone(zone, [["formatLocalTime", at]]), [text]);
    // What is shown can be pasted: it has its zone, and means the same everywhere.
    assert.equal(Date.parse(text.replace(" ", "T")), at - 8);
  }
});
