/**
 * What a row of the history costs the daemon's thread with 1000 topics and 1000 subscriptions, and
 * what reading it does (docs/adr/0061-history.md):
 *
 * deno run -A --config deno.json tests/bench/history_cost.ts
 */
// deno-lint-ignore-file no-console -- it prints what it has measured
import process from "node:process";
import { EventBroker } from "../../core/broker/event_broker.ts";
import { HistoryFile } from "../../core/history/history_file.ts";
import { MOST_KEPT } from "../../core/history/layout.ts";
import { HistoryKeeper } from "../../daemon/history.ts";
import { HistorySource } from "../../daemon/history_source.ts";
import { Metrics } from "../../daemon/metrics.ts";
import { FakeClock } from "../helpers/fake_clock.ts";
import { testFolder } from "../helpers/folder.ts";

const MINUTE = 60_000;
const HOURS = 73;

/** Processor time of this process, ms: others may be busy, too. */
function busy(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}

const folder = await testFolder("test");
const clock = new FakeClock(1_700_000_400_000);
await using broker = new EventBroker({ clock });
for (let i = 0; i < MOST_KEPT; i++) {
  await broker.createTopic(`topic-${i}`);
  await broker.subscriptions.put(`subscription-${i}`, { topic: `topic-${i}`, from: "start" });
}
const metrics = new Metrics(clock);
const file = new HistoryFile(`${folder}/history`, { onDamage: console.error });
const source = new HistorySource({ broker, metrics, dataDir: folder, clock, connections: () => 1 });
const log = { failed: console.error, goesOn: () => {} };
const keeper = new HistoryKeeper({ file, source, clock, isFull: () => false, log });

const times = { row: [] as number[], joined: [] as number[] };
for (let minute = 0; minute < HOURS * 60; minute++) {
  metrics.refuse("event/too-large");
  keeper.note();
  const began = busy();
  await clock.pass(MINUTE);
  const took = busy() - began;
  if (minute > 100) (minute % 10 === 0 ? times.joined : times.row).push(took);
}
const median = (all: number[]) => all.sort((a, b) => a - b)[all.length >> 1]!.toFixed(1);
console.log(
  `a row: ${median(times.row)} ms; one that ends ten minutes: ${median(times.joined)} ms`,
);
console.log(`the file: ${Deno.statSync(`${folder}/history`).size} bytes`);
for (
  const [what, count, hours, step] of [
    ["one subscription, 3 h", 1, 3, 1],
    ["one subscription, 72 h", 1, 72, 10],
    ["100 subscriptions, 3 h", 100, 3, 1],
    ["100 subscriptions, 33 h", 100, 33, 10],
  ] as const
) {
  const names = Array.from({ length: count }, (_, i) => ({
    kind: "subscriptions" as const,
    name: `subscription-${i * 7}`,
  }));
  const steps = {
    from: clock.now() - hours * 60 * MINUTE,
    step: step * MINUTE,
    count: hours * 60 / step,
  };
  const took = Array.from({ length: 9 }, () => {
    const began = busy();
    JSON.stringify(keeper.read({ names, ...steps }));
    return busy() - began;
  });
  console.log(`${what}: ${median(took)} ms`);
}
await Deno.remove(folder, { recursive: true });
