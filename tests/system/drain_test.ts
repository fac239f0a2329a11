/** Contract row 19: SIGTERM under load. Every request that reached the daemon is answered, and what is answered holds. */
import assert from "node:assert/strict";
import { startDaemon, type TestDaemon } from "../helpers/daemon.ts";
import { dose } from "../helpers/dose.ts";
import { until } from "../helpers/evs.ts";
import { head, RawConnection } from "../helpers/raw_connection.ts";

const ROUNDS = dose(3, 30);
const PUBLISHERS = 8;
const PIPELINED = 4;
const DEADLINE = 5000;

/** What one publisher knows when the daemon is gone. */
interface Told {
  stored: string[];
  refused: string[];
  unknown: string[];
}

/** Publishes with some requests under way until it is told that the daemon stops. */
async function publishOn(daemon: TestDaemon, name: string): Promise<Told> {
  const told: Told = { stored: [], refused: [], unknown: [] };
  const connection = await RawConnection.open(daemon.socket);
  const underWay: string[] = [];
  let n = 0;
  let stopping = false;
  try {
    while (!stopping || underWay.length > 0) {
      while (!stopping && underWay.length < PIPELINED) {
        const id = `${name}-${++n}`;
        underWay.push(id);
        await connection.send(
          head(`POST /v1/topics/t/events?type=n&id=${id}`, "content-length: 1") + "1",
        );
      }
      const { status } = await connection.answer();
      const id = underWay.shift()!;
      (status === 200 ? told.stored : told.refused).push(id);
      if (status !== 200) stopping = true;
    }
  } catch (error) {
    if (underWay.length === 0) throw error;
    told.unknown.push(...underWay);
  }
  connection.close();
  return told;
}

Deno.test(`SIGTERM under load leaves no reply unknown and ends with 0 within 5 s, ${ROUNDS} times`, async () => {
  await using daemon = await startDaemon();
  let before = 0;
  for (let round = 0; round < ROUNDS; round++) {
    const publishers = Array.from(
      { length: PUBLISHERS },
      (_, i) => publishOn(daemon, `r${round}-p${i}`),
    );
    // A follower and a consumer that waits: their answers end in order too.
    const tail = await RawConnection.open(daemon.socket);
    await tail.send(head("GET /v1/topics/t/events?follow=1"));
    const followed = tail.untilEnd();
    await daemon.http("PUT", "/v1/subscriptions/s", { topic: "none" });
    const lease = await RawConnection.open(daemon.socket);
    const body = '{"waitMs":60000}';
    await lease.send(
      head("POST /v1/subscriptions/s/lease", `content-length: ${body.length}`) + body,
    );
    const half = await RawConnection.open(daemon.socket);
    await half.send("GET /v1/hea");
    await until(async () =>
      (await daemon.http("GET", "/v1/topics/t")).json?.lastSeq > before + 200
    );
    const began = performance.now();
    const { code } = await daemon.kill("SIGTERM");
    const took = performance.now() - began;
    assert.equal(code, 0, daemon.stderr);
    assert.ok(took < DEADLINE, `it took ${took} ms`);
    assert.match(await followed, /\r\n0\r\n\r\n$/, "the follower's answer ends in order");
    assert.equal((await lease.answer()).status, 200);
    for (const connection of [tail, lease, half]) connection.close();
    const told = await Promise.all(publishers);
    assert.deepEqual(told.flatMap(({ unknown }) => unknown), []);
    assert.ok(told.every(({ stored, refused }) => stored.length > 0 && refused.length > 0));

    await daemon.start();
    const ids = new Set((await daemon.replay("t")).map(({ id }) => id));
    for (const { stored, refused } of told) {
      for (const id of stored) assert.ok(ids.has(id), `${id} was acknowledged and is lost`);
      for (const id of refused) assert.ok(!ids.has(id), `${id} was refused and is there`);
    }
    before = (await daemon.http("GET", "/v1/topics/t")).json.lastSeq;
  }
  await daemon.stop();
});
