/** Retention by age and `@time` with timestamps in microseconds. */
import assert from "node:assert/strict";
import { startDaemon } from "../helpers/daemon.ts";
import { until } from "../helpers/evs.ts";

const STORES = ["sqlite", "file", "memory"];

for (const store of STORES) {
  Deno.test(`daemon removes events by when they were stored when a timestamp is in microseconds (${store})`, async () => {
    await using daemon = await startDaemon();
    const put = async (name: string, retentionPeriod: number) => {
      const answer = await daemon.http("PUT", `/v1/topics/${name}`, { retentionPeriod, store });
      assert.equal(answer.status, 201, answer.text);
    };
    await put("short", 1000);
    await put("long", 3_600_000);
    const publish = async (topic: string, event: Record<string, unknown>) => {
      const answer = await daemon.http("POST", `/v1/topics/${topic}/events`, {
        type: "n",
        payload: 1,
        ...event,
      });
      assert.equal(answer.status, 200, answer.text);
    };
    for (const topic of ["short", "long"]) {
      await publish(topic, { timestamp: Date.now() * 1000 });
      // An import of something old is not old here.
      await publish(topic, { timestamp: 1_000_000_000_000 });
      await publish(topic, {});
    }
    const events = async (name: string) =>
      (await daemon.http("GET", `/v1/topics/${name}`)).json.events;
    await until(async () => await events("short") === 0);
    assert.equal(await events("long"), 3, "a pass went by, and nothing of it is an hour old");
  });

  Deno.test(`daemon reads from a moment what is of it when a timestamp is in microseconds (${store})`, async () => {
    await using daemon = await startDaemon();
    await daemon.http("PUT", "/v1/topics/t", { store });
    const now = Date.now();
    const times = [now * 1000, now - 7_200_000, now, now * 1000, now + 3_600_000];
    for (const timestamp of times) {
      await daemon.http("POST", "/v1/topics/t/events", { type: "n", payload: 1, timestamp });
    }
    const seqs = async (query: string) =>
      (await daemon.replay("t", query)).map(({ seq }: { seq: number }) => seq);
    assert.deepEqual(await seqs("?from=@-1h"), [3, 4, 5]);
    assert.deepEqual(await seqs("?from=@-3h"), [2, 3, 4, 5]);
    assert.deepEqual(await seqs(`?from=@${now + 1_000_000}`), [5]);
    await daemon.http("PUT", "/v1/subscriptions/s", { topic: "t", from: "@-1h" });
    assert.equal((await daemon.http("GET", "/v1/subscriptions/s")).json.cursors[0].next, 3);
  });
}
