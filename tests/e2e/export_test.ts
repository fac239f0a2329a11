/** evs export and evs import: complete events, into their topics, repeatedly. */
import assert from "node:assert/strict";
import { startDaemon } from "../helpers/daemon.ts";
import { evs } from "../helpers/evs.ts";

/** Lines without their seq, which an import assigns anew. */
function withoutSeq(text: string): string[] {
  return text.split("\n").filter(Boolean).map((line) => line.replace(/^\{"seq":\d+,/, "{"));
}

Deno.test("evs import stores what evs export printed, byte for byte, and nothing twice", async () => {
  await using from = await startDaemon();
  const exact = ['{"a":9007199254740993,"a":1.0}', '"\\u0000 \\ud800"', '{"__proto__":1}'];
  for (const payload of exact) {
    const answer = await from.http("POST", "/v1/topics/exact/events?type=x&key=k", payload);
    assert.equal(answer.status, 200, answer.text);
  }
  await from.publish("orders.new", "placed", ...Array.from({ length: 2500 }, (_, n) => ({ n })));
  await from.publish("orders.old", "placed", 1, 2);
  await from.http("POST", "/v1/topics/orders.old/events?type=x&id=given", "3");
  const all = await evs(["export"], { at: from });
  assert.equal(all.code, 0, all.stderr);
  assert.equal(withoutSeq(all.stdout).length, 2506);
  const some = await evs(["export", "orders.*"], { at: from });
  assert.equal(withoutSeq(some.stdout).length, 2503);
  const none = await evs(["export", "nobody"], { at: from });
  assert.equal(none.code, 1);
  assert.match(none.stderr, /there is no topic nobody/);

  await using to = await startDaemon();
  // The beginning alone, as after a break; then all of it, twice.
  const half = all.stdout.split("\n").slice(0, 1200).join("\n");
  assert.equal((await evs(["import"], { at: to, stdin: half })).code, 0);
  const rest = await evs(["import"], { at: to, stdin: all.stdout });
  assert.deepEqual(JSON.parse(rest.stdout), {
    topics: 3,
    count: 1306,
    duplicates: 1200,
    refused: 0,
    lines: 2506,
  });
  const again = await evs(["import"], { at: to, stdin: all.stdout });
  assert.deepEqual(JSON.parse(again.stdout).count, 0);
  assert.equal((await evs(["export"], { at: to })).stdout, all.stdout);
});

Deno.test("evs import knows what a topic has when the daemon no longer remembers the ids", async () => {
  // Own ids are not among those that a publisher gave: a daemon never looks them up.
  await using daemon = await startDaemon();
  await daemon.publish("t", "x", 1, 2, 3);
  const { stdout } = await evs(["export"], { at: daemon });
  const again = await evs(["import"], { at: daemon, stdin: stdout });
  assert.deepEqual([JSON.parse(again.stdout).count, JSON.parse(again.stdout).duplicates], [0, 3]);
  assert.equal((await daemon.replay("t")).length, 3);
});

Deno.test("evs import stops at a line that is no event and names it, or goes on behind it", async () => {
  await using daemon = await startDaemon();
  const line = (id: string, payload = "1") =>
    `{"seq":1,"id":"${id}","type":"x","topic":"t","timestamp":1,"schemaVersion":"1.0","metadata":{},"payload":${payload}}`;
  const input = [
    line("a"),
    "no event",
    line("b"),
    line("c", "[".repeat(70) + "]".repeat(70)),
    line("d"),
  ].join("\n");
  const stopped = await evs(["import"], { at: daemon, stdin: `${input}\n` });
  assert.equal(stopped.code, 4);
  assert.match(stopped.stderr, /line 2: this is not an event as evs export prints it/);
  const skipped = await evs(["import", "--on-error", "skip"], { at: daemon, stdin: `${input}\n` });
  assert.equal(skipped.code, 6, skipped.stderr);
  assert.match(skipped.stderr, /line 2: .*\nline 4: /);
  assert.deepEqual((await daemon.replay("t")).map(({ id }) => id), ["a", "b", "d"]);
});
