/** What `evs history` shows on a terminal: small charts, and a table of the steps that are known. */
import assert from "node:assert/strict";
import { needTools, Place } from "../helpers/shell.ts";

Deno.test("evs history draws on a terminal what it says in JSON elsewhere", async () => {
  needTools("script");
  await using place = await Place.make();
  await place.run("evs daemon start; seq 3 | evs publish orders made --ndjson");
  const shown = await place.run("script -qec 'evs history --from @-2h --color never' /dev/null");
  const lines = shown.replaceAll("\r", "").split("\n");
  // A new step may begin at any moment: there are one or two of them.
  assert.match(lines[0]!, /^published +[·▁-█]{1,2} {2}at most [123] in 5m$/);
  const header = lines.findIndex((line) => line.startsWith("TIME"));
  assert.match(
    lines[header]!,
    /^TIME +PUBLISHED +ACKED +FAILED +DEAD +PENDING +DLQ +MEMORY +FREE$/,
  );
  const rows = lines.slice(header + 1).filter(Boolean);
  assert.ok(rows.length === 1 || rows.length === 2, shown);
  let published = 0;
  for (const row of rows) {
    const [, count] =
      /^\d\d-\d\d \d\d:\d[05] +(\d) +0 +0 +0 +0 +0 +[\d.]+ MiB +[\d.]+ [GT]iB$/.exec(row) ?? [];
    assert.ok(count !== undefined, shown);
    published += Number(count);
  }
  assert.equal(published, 3);
  const topic = await place.run("script -qec 'evs history --topic orders' /dev/null");
  assert.match(topic, /LAST SEQ/);
});
