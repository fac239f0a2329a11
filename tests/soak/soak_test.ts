/**
 * A soak of a few seconds, and the verdict on samples: the half hour itself is `deno task soak`.
 */
import assert from "node:assert/strict";
import { Ledger } from "./actors.ts";
import { chart } from "./chart.ts";
import { LIVES, soak, summary } from "./main.ts";
import { findings, type Sample } from "./verdict.ts";

for (const store of ["sqlite", "file"]) {
  Deno.test(`a soak of seconds through restarts loses nothing, repeats little and is drawn (${store})`, async () => {
    const said: string[] = [];
    const say = (text: string) => void said.push(text);
    const result = await soak({ minutes: 0.12, least: 500, store, say });
    const { ledger, samples } = result;
    assert.deepEqual(ledger.losses, []);
    assert.equal(result.restarts, LIVES - 1);
    assert.equal(result.missed, 0);
    assert.ok(ledger.lastSeq >= 500, `${ledger.lastSeq} events`);
    assert.equal(ledger.lastSeq, ledger.acknowledged.reduce((sum, n) => sum + n, 0));
    assert.ok(ledger.schemaChanges >= 1);
    assert.equal(said.length, result.restarts);
    assert.match(chart(samples, "a < b"), /^<svg [^]*a &lt; b[^]*polyline[^]*<\/svg>\n$/);
  });
}

function samplesOf(value: (i: number) => Partial<Sample>): Sample[] {
  return Array.from(
    { length: 300 },
    (_, i) => ({
      at: i + 1,
      life: 1 + Math.floor(i / 100),
      rss: 90,
      descriptors: 50,
      p99: 5,
      control: 1,
      ...value(i),
    }),
  );
}

const notFlat = (samples: Sample[]) =>
  findings(samples).filter(({ flat }) => !flat).map(({ name }) => name);

Deno.test("findings calls samples flat when they only swing, and names what grows", () => {
  assert.deepEqual(notFlat(samplesOf((i) => ({ rss: 90 + i % 10, p99: 3 + i % 4 }))), []);
  assert.deepEqual(notFlat(samplesOf((i) => ({ rss: 90 + i / 4 }))), ["memory"]);
  assert.deepEqual(notFlat(samplesOf((i) => ({ rss: 90 + i % 100 / 2 }))), ["memory in one life"]);
  // Three short lives and a long one, whose heap finds its size late: the same age weighs the same.
  const late = (i: number) => i < 150 ? { life: 1 + Math.floor(i / 50) } : { life: 4 };
  const aged = (i: number) => i < 150 ? 90 + i % 50 / 3 : 90 + Math.min(i - 150, 70) / 3;
  assert.deepEqual(notFlat(samplesOf((i) => ({ ...late(i), rss: aged(i) }))), []);
  const heavier = (i: number) => aged(i) + (i < 150 ? 0 : 30);
  assert.deepEqual(notFlat(samplesOf((i) => ({ ...late(i), rss: heavier(i) }))), ["memory"]);
  assert.deepEqual(notFlat(samplesOf((i) => ({ descriptors: 50 + Math.floor(i / 10) }))), [
    "descriptors",
  ]);
  assert.deepEqual(notFlat(samplesOf((i) => ({ p99: 5 + i / 5 }))), ["publish p99"]);
  const slower = (i: number) => ({ p99: 30 + i, control: 1 + i / 30 });
  assert.deepEqual(notFlat(samplesOf(slower)), [], "the machine has become slower");
  assert.deepEqual(notFlat(samplesOf((i) => ({ ...slower(i), control: 1 }))), ["publish p99"]);
});

Deno.test("findings calls nothing flat that it has no samples of, and says so", () => {
  const samples = samplesOf(() => ({ p99: undefined }));
  assert.deepEqual(notFlat(samples), ["publish p99"]);
  assert.deepEqual(notFlat(samples.slice(0, 1)).includes("descriptors"), true);
  const result = { samples, ledger: new Ledger(1), restarts: 2, missed: 0 };
  const { lines, ok } = summary(result);
  assert.equal(ok, false);
  assert.ok(
    lines.includes("publish p99: no samples early, no samples late: NOT FLAT"),
    lines.join("\n"),
  );
});

Deno.test("summary is not well when something was lost or missed", () => {
  const samples = samplesOf(() => ({}));
  const result = () => ({ samples, ledger: new Ledger(1), restarts: 2, missed: 0 });
  assert.equal(summary(result()).ok, true);
  const lost = result();
  lost.ledger.see(lost.ledger.consumed, { p: 0, n: 2 }, "the consumer");
  assert.equal(summary(lost).ok, false);
  assert.match(summary(lost).lines.join("\n"), /the consumer saw 0-2 behind 0-0/);
  assert.equal(summary({ ...result(), missed: 3 }).ok, false);
});
