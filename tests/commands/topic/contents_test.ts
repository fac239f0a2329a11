/** `evs topic show` counts the types and keys of a topic, and says when it counted only some. */
import assert from "node:assert/strict";
import fc from "../../packages/fast_check.ts";
import { contentsFacts, countedEvents } from "../../../commands/topic/contents.ts";
import { startDaemon, type TestDaemon } from "../../helpers/daemon.ts";
import { evs } from "../../helpers/evs.ts";

// deno-lint-ignore no-explicit-any -- what the program printed
async function show(at: TestDaemon, topic: string): Promise<any> {
  const { code, stdout, stderr } = await evs(["topic", "show", topic], { at });
  assert.equal(code, 0, stderr);
  return JSON.parse(stdout);
}

/** Publishes an event of each type and key. */
async function publishAll(
  at: TestDaemon,
  topic: string,
  events: readonly (readonly [type: string, key?: string])[],
): Promise<void> {
  const lines = events.map(([type, key]) => JSON.stringify({ type, key, payload: { type: "no" } }));
  const { status, text } = await at.http(
    "POST",
    `/v1/topics/${topic}/events`,
    lines.join("\n") + "\n",
    { "content-type": "application/x-ndjson" },
  );
  assert.equal(status, 200, text);
}

for (const store of ["sqlite", "file", "memory"]) {
  Deno.test(`topic show counts types and keys of all events when they are few (${store})`, async () => {
    await using at = await startDaemon({ store });
    const odd = 'schlüssel "7"\\';
    await publishAll(at, "t", [["a"], ["b", "k1"], ["a", odd], ["a", "k1"], ["c", "type"]]);
    const { lastSeq, counted, types, keys } = await show(at, "t");
    assert.deepEqual([lastSeq, counted], [5, { events: 5, complete: true }]);
    assert.deepEqual(types, {
      distinct: 3,
      most: [{ name: "a", events: 3 }, { name: "b", events: 1 }, { name: "c", events: 1 }],
    });
    assert.deepEqual(keys, {
      distinct: 3,
      most: [
        { name: "k1", events: 2 },
        { name: odd, events: 1 },
        { name: "type", events: 1 },
      ],
      eventsWithout: 1,
    });
  });
}

Deno.test("topic show counts the newest events when there are many, and says so", async () => {
  await using at = await startDaemon({ durability: "os" });
  await publishAll(at, "t", Array.from({ length: 50 }, () => ["old"] as const));
  const names = Array.from({ length: 10_000 }, (_, i) => ["new", `k${i}`] as const);
  await publishAll(at, "t", names);
  const { counted, types, keys } = await show(at, "t");
  assert.deepEqual(counted, { events: 10_000, complete: false });
  assert.deepEqual(types, { distinct: 1, most: [{ name: "new", events: 10_000 }] });
  assert.deepEqual([keys.distinct, keys.most.length, keys.eventsWithout], [10_000, 100, 0]);
});

Deno.test("topic show counts nothing when there is nothing", async () => {
  await using at = await startDaemon();
  const nothing = { distinct: 0, most: [] };
  for (const [name, complete, ...flags] of [["stored", true], ["passing", false, "--ephemeral"]]) {
    const made = await evs(["topic", "create", String(name), ...flags.map(String)], { at });
    assert.equal(made.code, 0, made.stderr);
    const { counted, types, keys } = await show(at, String(name));
    assert.deepEqual(counted, { events: 0, complete });
    assert.deepEqual([types, keys], [nothing, { ...nothing, eventsWithout: 0 }]);
  }
});

Deno.test("countedEvents is bounded by count and by size, and never nothing of something", () => {
  fc.assert(
    fc.property(fc.nat(10_000_000), fc.nat(1024 * 1024), (events, each) => {
      const counted = countedEvents({ events, bytes: events * each });
      assert.ok(counted <= Math.min(events, 10_000));
      assert.ok(counted >= Math.min(events, 1));
      assert.ok(counted <= 1 || counted * each <= 16 * 1024 * 1024);
    }),
  );
});

Deno.test("contentsFacts lists a few of many and says what was counted", () => {
  const most = Array.from({ length: 20 }, (_, i) => ({ name: `t${i}`, events: 2000 - i }));
  const { types, keys, counted } = contentsFacts({
    counted: { events: 9000, complete: false },
    types: { distinct: 1020, most },
    keys: { distinct: 0, most: [], eventsWithout: 9000 },
  });
  assert.deepEqual((types as string[]).slice(7), ["1,993  t7", "and 1,012 more"]);
  assert.deepEqual(keys, ["9,000  (no key)"]);
  assert.equal(counted, "only the newest 9,000 events");
});
