/**
 * Contract row 19: SIGTERM under load and in the middle of uploads. Every request that reached the
 * daemon is answered, and every answer is true.
 */
import assert from "node:assert/strict";
import { startDaemon, type TestDaemon } from "../helpers/daemon.ts";
import { dose } from "../helpers/dose.ts";
import { until } from "../helpers/evs.ts";
import { head, isClosed, RawConnection } from "../helpers/raw_connection.ts";
import { heldInOneOf, type Series } from "../helpers/series.ts";
import { STORES } from "../helpers/stores.ts";
import { timeOf } from "../helpers/time_of.ts";

const ROUNDS = dose(3, 30);
const PUBLISHERS = 8;
const PIPELINED = 4;
/** The promise, ms; the start that follows says how late everything is on a busy machine. */
const DEADLINE = 5000;
/** What a connection ends with. */
const LAST_REPLY = /^HTTP\/1\.1 507 [^]*connection: close\r\n[^]*"code":"daemon\/stopping"/;

/** What one publisher knows when the daemon is gone. */
interface Told {
  stored: string[];
  refused: string[];
  unknown: string[];
}

/** Publishes with several requests in flight until the daemon says that it is stopping. */
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
      const { status, isLast } = await connection.answer();
      const id = underWay.shift()!;
      (status === 200 ? told.stored : told.refused).push(id);
      if (status !== 200) stopping = true;
      if (isLast) told.refused.push(...underWay.splice(0));
    }
  } catch (error) {
    if (underWay.length === 0) throw error;
    told.unknown.push(...underWay);
  }
  connection.close();
  return told;
}

Deno.test("SIGTERM leaves a reply in every idle connection, so that a request that comes too late is known not to be stored", async () => {
  await using daemon = await startDaemon();
  const unused = await RawConnection.open(daemon.socket);
  const used = await RawConnection.open(daemon.socket);
  await used.send(head("GET /v1/health"));
  assert.equal((await used.answer()).status, 200);
  assert.equal((await daemon.kill("SIGTERM")).code, 0);
  for (const connection of [unused, used]) {
    const publish = head("POST /v1/topics/t/events?type=n", "content-length: 1") + "1";
    await assert.rejects(connection.send(publish), isClosed);
    const { isLast, status } = await connection.answer();
    assert.deepEqual([isLast, status], [true, 507]);
    connection.close();
  }
});

Deno.test("SIGTERM leaves no connection that waits to be accepted without a reply", async () => {
  await using daemon = await startDaemon();
  let lastSeq = 0;
  for (let round = 0; round < dose(3, 30); round++) {
    Deno.kill(daemon.pid, "SIGSTOP");
    const waiting = await Promise.all(
      Array.from({ length: 40 }, () => RawConnection.open(daemon.socket)),
    );
    const publish = head("POST /v1/topics/t/events?type=n", "content-length: 1") + "1";
    for (const connection of waiting) await connection.send(publish);
    const ended = daemon.kill("SIGTERM");
    Deno.kill(daemon.pid, "SIGCONT");
    let stored = 0;
    for (const connection of waiting) {
      const { status } = await connection.answer();
      assert.ok(status === 200 || status === 507, `${status}`);
      if (status === 200) stored++;
      connection.close();
    }
    assert.equal((await ended).code, 0);
    const before = lastSeq;
    await daemon.start();
    lastSeq = (await daemon.http("GET", "/v1/topics/t")).json?.lastSeq ?? 0;
    assert.equal(lastSeq - before, stored);
  }
});

for (const store of STORES) {
  Deno.test(`SIGTERM under load leaves no reply unknown and ends with 0 within 5 s, ${ROUNDS} times (${store})`, async () => {
    await using daemon = await startDaemon({ store });
    let name = 0;
    for (let round = 0; round < ROUNDS; round++) {
      await heldInOneOf(() => stopUnderLoad(daemon, `r${name++}`));
    }
    await daemon.stop();
  });

  Deno.test(`SIGTERM in the middle of an upload that does not end says how much of it was stored, and that holds (${store})`, async () => {
    await heldInOneOf(() => stopWhileUploading(store));
  });

  Deno.test(`SIGTERM lets an upload end that does so soon (${store})`, async () => {
    await using daemon = await startDaemon({ store });
    const upload = await beginUpload(daemon, "t");
    await upload.send(chunk("1\n"));
    await until(async () => (await daemon.http("GET", "/v1/topics/t")).json?.lastSeq === 1);
    const ended = daemon.kill("SIGTERM");
    await until(async () => !await isThere(daemon.socket));
    await upload.send(chunk("2\n") + "0\r\n\r\n");
    const { status, body } = await upload.answer();
    assert.equal(status, 200, body);
    assert.equal(JSON.parse(body).count, 2);
    upload.close();
    assert.equal((await ended).code, 0);
  });
}

/** Stops a daemon under load and starts it again; what it said of each event is true. */
async function stopUnderLoad(daemon: TestDaemon, name: string): Promise<Series> {
  const before = (await daemon.http("GET", "/v1/topics/t")).json?.lastSeq ?? 0;
  const publishers = Array.from(
    { length: PUBLISHERS },
    (_, i) => publishOn(daemon, `${name}-p${i}`),
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
  await until(async () => (await daemon.http("GET", "/v1/topics/t")).json?.lastSeq > before + 200);
  const took = await timeOf(async () => {
    assert.equal((await daemon.kill("SIGTERM")).code, 0, daemon.stderr);
  });
  const [answer, last] = (await followed).split(/(?<=\r\n0\r\n\r\n)/);
  assert.match(answer!, /\r\n0\r\n\r\n$/, "the follower's answer ends in order");
  assert.match(last!, LAST_REPLY);
  assert.equal((await lease.answer()).status, 200);
  for (const connection of [tail, lease, half]) connection.close();
  const told = await Promise.all(publishers);
  assert.deepEqual(told.flatMap(({ unknown }) => unknown), []);
  assert.ok(told.every(({ stored, refused }) => stored.length > 0 && refused.length > 0));

  const start = await timeOf(() => daemon.start());
  const ids = new Set((await daemon.replay("t")).map(({ id }) => id));
  for (const { stored, refused } of told) {
    for (const id of stored) assert.ok(ids.has(id), `${id} was acknowledged and is lost`);
    for (const id of refused) assert.ok(!ids.has(id), `${id} was refused and is there`);
  }
  return inTime(took, start);
}

function inTime(took: number, start: number): Series {
  return {
    holds: took < DEADLINE + start,
    figures: `it took ${Math.round(took)} ms, a start ${Math.round(start)} ms`,
  };
}

/** Stops a daemon in the middle of three uploads, and looks at what it has stored. */
async function stopWhileUploading(store: string): Promise<Series> {
  await using daemon = await startDaemon({ store });
  const upload = await beginUpload(daemon, "t");
  const told = upload.answer();
  let over = false;
  const sending = (async () => {
    try {
      for (let n = 1; !over; n++) await upload.send(chunk(`${n}\n`));
    } catch (error) {
      if (!isClosed(error)) throw error;
    }
  })();
  // One that has stopped in the middle of a line, and one that nothing is stored of.
  const half = await beginUpload(daemon, "half");
  await half.send(chunk("1\n2\n3"));
  const array = await RawConnection.open(daemon.socket);
  await array.send(
    head("POST /v1/topics/array/events", "content-length: 1000") + '[{"type":"n",',
  );
  const lastSeq = async (topic: string) =>
    (await daemon.http("GET", `/v1/topics/${topic}`)).json?.lastSeq ?? 0;
  await until(async () => await lastSeq("t") > 500 && await lastSeq("half") === 2);
  const took = await timeOf(async () => {
    assert.equal((await daemon.kill("SIGTERM")).code, 0, daemon.stderr);
  });
  const { status, body } = await told;
  over = true;
  await sending;
  const { count, lines, error } = JSON.parse(body);
  assert.deepEqual([status, error.code], [507, "daemon/stopping"]);
  assert.equal(lines, count);
  const other = await half.answer();
  assert.equal(other.status, 507);
  assert.equal(JSON.parse(other.body).count, 2);
  assert.equal((await array.answer()).status, 507);
  for (const connection of [upload, half, array]) connection.close();

  const start = await timeOf(() => daemon.start());
  const payloads = async (topic: string) =>
    (await daemon.replay(topic)).map(({ payload }) => payload);
  assert.deepEqual(await payloads("t"), Array.from({ length: count }, (_, i) => i + 1));
  assert.deepEqual(await payloads("half"), [1, 2]);
  assert.equal((await daemon.http("GET", "/v1/topics/array/events")).status, 404);
  await daemon.stop();
  return inTime(took, start);
}

/** A publish of lines whose body comes in pieces. */
async function beginUpload(daemon: TestDaemon, topic: string): Promise<RawConnection> {
  const connection = await RawConnection.open(daemon.socket);
  await connection.send(
    head(
      `POST /v1/topics/${topic}/events?type=n`,
      "content-type: application/x-ndjson",
      "transfer-encoding: chunked",
    ),
  );
  return connection;
}

function chunk(text: string): string {
  return `${text.length.toString(16)}\r\n${text}\r\n`;
}

async function isThere(path: string): Promise<boolean> {
  try {
    await Deno.lstat(path);
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}
