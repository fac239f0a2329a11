/** How every broker reads what is stored. */
import assert from "node:assert/strict";
import { type EventQuery, InvalidArgumentError, type StreamOptions } from "../../../mod.ts";
import type { Test } from "./suite.ts";

/** Registers these tests. */
export function reading(test: Test): void {
  test("getNewest returns the newest event of a key, and undefined when there is none", async ({ broker }) => {
    assert.equal(await broker.getNewest("nobody-has-it", "a"), undefined);
    const key = `a "key"/with ü?&`;
    for (const n of [1, 2]) await broker.publish("t", "x", { n }, { key });
    const other = await broker.publish("t", "y", { n: 3 }, { key: "other" });
    await broker.publish("t", "x", { n: 4 });
    const found = await broker.getNewest<{ n: number }>("t", key);
    assert.deepEqual([found?.payload, found?.seq, found?.key], [{ n: 2 }, 2, key]);
    assert.deepEqual(await broker.getNewest("t", "other"), other);
    assert.equal(await broker.getNewest("t", "nobody"), undefined);
    await assert.rejects(broker.getNewest("t", ""), /the key is empty/);
    await assert.rejects(broker.getNewest("a/b", "a"), InvalidArgumentError);
  });

  test("stream starts with the last N events that match when it has types or an expression", async ({ broker }) => {
    const select: [StreamOptions, number[]][] = [
      [{ eventTypes: ["rare"] }, [20, 30, 40]],
      [{ where: "payload % 4 == 0" }, [32, 36, 40]],
      [{ eventTypes: ["rare"], where: "payload % 4 == 0" }, [20, 40]],
      [{}, [38, 39, 40]],
    ];
    for (const [i, [options, wanted]] of select.entries()) {
      const topic = `t${i}`;
      await broker.publishBatch(
        topic,
        Array.from({ length: 40 }, (_, at) => ({
          type: at % 10 === 9 ? "rare" : "common",
          payload: at + 1,
        })),
      );
      await using stream = broker.stream(topic, { ...options, from: "-3" });
      const got: number[] = [];
      while (got.length < wanted.length) got.push((await stream.next()).value!.payload);
      assert.deepEqual(got, wanted);
      // And it goes on.
      const { seq } = await broker.publish(topic, "rare", 40);
      assert.equal((await stream.next()).value?.seq, seq);
    }
  });

  test("getEvents returns the newest first when it is asked for that", async ({ broker }) => {
    for (let n = 1; n <= 9; n++) await broker.publish("t", n % 2 ? "odd" : "even", n);
    const payloads = async (query: EventQuery) =>
      (await broker.getEventStore().getEvents("t", query)).map(({ payload }) => payload);
    assert.deepEqual(await payloads({ reverse: true, limit: 2 }), [9, 8]);
    assert.deepEqual(await payloads({ reverse: true, eventTypes: ["even"] }), [8, 6, 4, 2]);
    assert.deepEqual(await payloads({ limit: 2 }), [1, 2]);
  });

  test("stream with lastPerKey starts with the newest event of each key, then takes all that comes", async ({ broker }) => {
    const publish = (n: number, key?: string) =>
      broker.publish("t", n % 2 ? "odd" : "even", n, key === undefined ? {} : { key });
    for (let n = 1; n <= 9; n++) await publish(n, n === 5 ? undefined : `k${n % 3}`);
    const cases: [StreamOptions, number[]][] = [
      [{}, [7, 8, 9]],
      [{ eventTypes: ["even"] }, [4, 6, 8]],
      [{ where: "payload < 6" }, [2, 3, 4]],
      [{ from: "8" }, [8, 9]],
    ];
    for (const [options, wanted] of cases) {
      const abort = new AbortController();
      const stream = broker.stream("t", { ...options, lastPerKey: true, signal: abort.signal });
      const got: number[] = [];
      while (got.length < wanted.length) got.push((await stream.next()).value!.payload);
      assert.deepEqual(got, wanted);
      abort.abort();
    }
    await using stream = broker.stream("t", { lastPerKey: true });
    await stream.ready;
    for (const n of [10, 11]) await publish(n, "k1");
    await publish(12);
    const got: number[] = [];
    while (got.at(-1) !== 12) got.push((await stream.next()).value!.payload);
    assert.deepEqual(got, [7, 8, 9, 10, 11, 12]);
  });
}
