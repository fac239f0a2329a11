/** Events published to a daemon without waiting share requests, and therefore syncs. */
import assert from "node:assert/strict";
import { connect, type Event } from "../../../../mod.ts";
import { startDaemon } from "../../../helpers/daemon.ts";

const BURST = 1000;
/**
 * Appends that a burst may take: a request carries a hundred events. One by one it would take
 * {@link BURST}.
 */
const FEW = 40;

async function appendsOf(daemon: Awaited<ReturnType<typeof startDaemon>>): Promise<number> {
  const { text } = await daemon.http("GET", "/metrics");
  return Number(/^evs_appends_total (\d+)$/m.exec(text)![1]);
}

for (
  const [when, topics] of [["one topic", ["t"]], ["topics in turn", ["t", "u", "v"]]] as const
) {
  Deno.test(`RemoteBroker.publish shares appends when a burst goes to ${when}`, async () => {
    await using daemon = await startDaemon();
    await using broker = await connect({ socket: daemon.socket });
    await broker.registerSchema("checked", { type: "number" });
    broker.createTopic("t");
    broker.subscribe("t", () => {}, { name: "s" });
    const before = await appendsOf(daemon);
    const published: Event[] = await Promise.all(
      Array.from(
        { length: BURST },
        (_, n) => broker.publish(topics[n % topics.length]!, n % 5 ? "checked" : "free", n),
      ),
    );
    const appends = await appendsOf(daemon) - before;
    assert.ok(appends <= FEW, `${BURST} events took ${appends} appends`);
    for (const topic of topics) {
      const events = published.filter((event) => event.topic === topic);
      assert.deepEqual(events.map(({ seq }) => seq), events.map((_, i) => i + 1));
    }
  });
}

Deno.test("RemoteBroker.publish keeps the order of a topic's calls when some of them expect a seq", async () => {
  await using daemon = await startDaemon();
  await using broker = await connect({ socket: daemon.socket });
  const published = await Promise.allSettled([
    broker.publish("t", "x", 1),
    broker.publish("u", "x", 1),
    broker.publish("t", "x", 2, { expected: 1 }),
    broker.publish("t", "x", "conflict", { expected: 1 }),
    broker.publish("u", "x", 2),
    broker.publish("t", "x", 3),
    broker.publish("t", "x", "aborted", { signal: AbortSignal.abort() }),
    broker.publish("t", "x", 4, { expected: 3 }),
  ]);
  assert.deepEqual(
    published.map((one) => one.status === "fulfilled" ? one.value.seq : "rejected"),
    [1, 1, 2, "rejected", 2, 3, "rejected", 4],
  );
});
