/**
 * Contract row 25: a hostile schema or payload gets a normal response or is refused with an error,
 * and stalls nobody else.
 */
import assert from "node:assert/strict";
import { Client } from "../../core/client/client.ts";
import { startDaemon, type TestDaemon } from "../helpers/daemon.ts";

/** Each level refers to the next one twice: 2^30 checks of one value. */
const fanOut = {
  $ref: "#/$defs/d0",
  $defs: {
    ...Object.fromEntries(Array.from({ length: 30 }, (_, i) => {
      const next = { $ref: `#/$defs/d${i + 1}` };
      return [`d${i}`, { anyOf: [next, next] }];
    })),
    d30: { type: "string" },
  },
};
/** Checks that double with every level of the payload. */
const doubling = {
  anyOf: [{ properties: { a: { $ref: "#" } }, required: ["x"] }, {
    properties: { a: { $ref: "#" } },
    required: ["y"],
  }],
};
let deep: unknown = {};
for (let level = 0; level < 60; level++) deep = { a: deep };

const CASES: { type: string; schema: unknown; payload: unknown; put: number; post: number }[] = [
  {
    type: "nested-repeats",
    schema: { type: "string", pattern: "^(a+)+$" },
    payload: "a".repeat(40) + "!",
    put: 201,
    post: 422,
  },
  {
    type: "many-dots",
    schema: { type: "string", pattern: "^(.*a){20}$" },
    payload: "ab".repeat(50_000),
    put: 201,
    post: 422,
  },
  {
    type: "unique-items",
    schema: { type: "array", uniqueItems: true },
    payload: Array.from({ length: 30_000 }, (_, i) => ({ i })),
    put: 201,
    post: 200,
  },
  { type: "fan-out", schema: fanOut, payload: "x", put: 422, post: 200 },
  { type: "doubling", schema: doubling, payload: deep, put: 201, post: 422 },
];

const ROUNDS = 10;

const p99 = (times: readonly number[]) =>
  times.toSorted((a, b) => a - b)[Math.floor(times.length * 0.99)]!;

/** How long somebody else waits for each of his publishes, ms. */
async function othersWait(
  daemon: TestDaemon,
  { least, until }: { least: number; until: () => boolean },
): Promise<number[]> {
  using client = new Client({ socket: daemon.socket });
  const times: number[] = [];
  while (times.length < least || !until()) {
    const start = performance.now();
    await client.publish("others", '{"type":"n","payload":1}');
    times.push(performance.now() - start);
  }
  return times;
}

/** Processor time of a process so far, in ticks of 10 ms (proc_pid_stat(5), fields 14 and 15). */
function ticksOf(pid: number): number {
  const fields = Deno.readTextFileSync(`/proc/${pid}/stat`).split(") ")[1]!.split(" ");
  return Number(fields[11]) + Number(fields[12]);
}

Deno.test("daemon answers hostile schemas and payloads at once, stalls nobody and is idle again", async () => {
  await using daemon = await startDaemon();
  // The first schema loads the compiler, whoever sends it.
  await daemon.http("PUT", "/v1/schemas/first", { type: "object" });
  await othersWait(daemon, { least: 300, until: () => true });

  // Prepared in advance, because attackers and victims share a thread here.
  const bodies = new Map(CASES.map(({ type, payload }) => [type, JSON.stringify(payload)]));
  const attack = async (round: number) => {
    for (const { type, schema, put, post } of CASES) {
      if (round === 0) {
        const registered = await daemon.http("PUT", `/v1/schemas/${type}`, schema);
        assert.equal(registered.status, put, `${type}: ${registered.text}`);
      }
      const body = bodies.get(type)!;
      const answer = await daemon.http("POST", `/v1/topics/h/events?type=${type}`, body);
      assert.equal(answer.status, post, `${type}: ${answer.text.slice(0, 200)}`);
    }
  };
  // In turns: what else this machine does meets both of them alike.
  const control: number[] = [];
  const attacked: number[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    control.push(...await othersWait(daemon, { least: 100, until: () => true }));
    let over = false;
    const attacking = attack(round).finally(() => over = true);
    attacked.push(...await othersWait(daemon, { least: 100, until: () => over }));
    await attacking;
  }
  const limit = Math.max(50, 2 * p99(control));
  assert.ok(p99(attacked) < limit, `p99 ${p99(attacked)} ms, alone ${p99(control)} ms`);

  // The promise is about one second: one to become idle, and one to measure.
  const { pid } = daemon;
  await new Promise((resolve) => setTimeout(resolve, 1000));
  const before = ticksOf(pid);
  await new Promise((resolve) => setTimeout(resolve, 1000));
  const busy = ticksOf(pid) - before;
  assert.ok(busy <= 10, `${busy * 10} ms of processor time in a second of rest`);
});
