/**
 * Contract rows 15 and 17: the number of connections, and of requests that one of them may have
 * outstanding.
 */
import assert from "node:assert/strict";
import { connectionLimit, descriptorsFor } from "../../../daemon/http/descriptors.ts";
import { startDaemon, type TestDaemon } from "../../helpers/daemon.ts";
import { until } from "../../helpers/evs.ts";
import { mebibytes, MIB, residentMemory } from "../../helpers/measure.ts";
import { head, RawConnection } from "../../helpers/raw_connection.ts";
import { heldInOneOf } from "../../helpers/series.ts";

Deno.test("a connection too many gets a busy reply and is closed at once, also when it never reads", async () => {
  await using daemon = await startDaemon({ config: "max_connections = 10\n" });
  const kept = await Promise.all(
    Array.from({ length: 10 }, () => RawConnection.open(daemon.socket)),
  );
  for (const connection of kept) {
    await connection.send(head("GET /v1/health"));
    assert.equal((await connection.answer()).status, 200);
  }
  const silent = await Promise.all(
    Array.from({ length: 50 }, () => RawConnection.open(daemon.socket)),
  );
  for (let i = 0; i < 20; i++) {
    const late = await RawConnection.open(daemon.socket);
    const text = await late.untilEnd();
    assert.match(text, /^HTTP\/1\.1 503 .*\r\n[^]*"code":"daemon\/busy"/);
    late.close();
  }
  const [first, ...others] = kept;
  await first!.send(head("GET /metrics"));
  const { body } = await first!.answer();
  assert.match(body, /^evs_connections 10$/m);
  assert.match(body, /^evs_connections_refused_total 70$/m);
  first!.close();
  // There is room again.
  await until(async () =>
    (await daemon.http("GET", "/v1/health").catch(() => undefined))?.status === 200
  );
  for (const connection of [...others, ...silent]) connection.close();
});

Deno.test("connectionLimit keeps a reserve, and refuses in words when there is room for none", () => {
  assert.equal(connectionLimit(20_000, 512), 512);
  assert.equal(connectionLimit(descriptorsFor(512), 512), 512);
  assert.equal(connectionLimit(100, 512), 75);
  assert.equal(connectionLimit(14, 512), 6);
  assert.throws(() => connectionLimit(8, 512), /may open 8 more files, which leaves none/);
});

/** The longest of some waits for a short answer, ms. */
async function longestWait(daemon: TestDaemon): Promise<number> {
  const waits: number[] = [];
  while (waits.length < 20) {
    const began = performance.now();
    assert.equal((await daemon.http("GET", "/v1/health")).status, 200);
    waits.push(performance.now() - began);
  }
  return Math.max(...waits);
}

/** So many small requests do not fit into a socket. */
const MANY = 20_000;

Deno.test("one who pipelines and takes no answers costs a page and slows no one, and is answered when it takes them", async () => {
  // When garbage is collected is chance, and so is who runs next on a busy machine. What one series
  // has kept must not be where the next begins: each has a daemon of its own.
  await heldInOneOf(async () => {
    await using daemon = await startDaemon();
    for (let i = 0; i < 20; i++) {
      await daemon.publish("big", "t", ...Array.from({ length: 10 }, () => "x".repeat(50_000)));
    }
    const longest = () => longestWait(daemon);
    const control = await longest();
    const before = residentMemory(daemon.pid);
    const greedy = await RawConnection.open(daemon.socket);
    await greedy.send(head("GET /v1/topics/big/events").repeat(60));
    const took = await longest();
    const grown = residentMemory(daemon.pid) - before;
    // It is not read any further: what it sends stays on its own side of the socket.
    const more = greedy.send(head("GET /v1/health").repeat(MANY));
    await longest();
    const sent = residentMemory(daemon.pid) - before;
    // When it takes its answers, it gets all of them.
    const last = greedy.count(/"health":"ok"/g, MANY);
    await more;
    await last;
    greedy.close();
    await daemon.stop();
    return {
      holds: took < control + 1000 && grown < 32 * MIB && sent < 32 * MIB,
      figures: `somebody else waited ${took} ms, and ${control} ms before; ` +
        `it grew by ${mebibytes(grown)}, then by ${mebibytes(sent)}`,
    };
  });
});

Deno.test("answers come in order when reads and publishes are pipelined", async () => {
  await using daemon = await startDaemon();
  const connection = await RawConnection.open(daemon.socket);
  const publish = (n: number) =>
    head("POST /v1/topics/t/events?type=n", "content-length: 1") + String(n);
  await connection.send(
    publish(1) + head("GET /v1/topics/t") + publish(2) + publish(3) + head("GET /v1/topics/t"),
  );
  const answers = [];
  for (let i = 0; i < 5; i++) answers.push(JSON.parse((await connection.answer()).body));
  const [first, topic, second, third, after] = answers;
  assert.deepEqual([first.firstSeq, second.firstSeq, third.firstSeq], [1, 2, 3]);
  assert.ok(topic.lastSeq >= 1);
  assert.equal(after.lastSeq, 3);
  connection.close();
});

Deno.test("a request with a whole URL is answered as its path is, and dots are no way out of it", async () => {
  await using daemon = await startDaemon();
  for (
    const [target, wanted] of [
      ["http://evs/v1/health", 200],
      ["http://evs/v1/topics/../health", 404],
      ["http://evs/v1/topics/%2e%2e/health", 404],
      ["http://evs", 404],
      ["http://evs?a=b", 404],
    ] as const
  ) {
    const connection = await RawConnection.open(daemon.socket);
    await connection.send(head(`GET ${target}`));
    const { status, body } = await connection.answer();
    assert.equal(status, wanted, `${target}: ${body}`);
    connection.close();
  }
});

Deno.test("a request whose path is no path is refused in words", async () => {
  await using daemon = await startDaemon();
  for (const path of ["//", "///[", "http://[", "*"]) {
    const connection = await RawConnection.open(daemon.socket);
    await connection.send(head(`GET ${path}`));
    const { status, body } = await connection.answer();
    assert.ok(status === 400 || status === 404, `${path}: ${status} ${body}`);
    connection.close();
  }
  assert.match((await daemon.http("GET", "/metrics")).text, /^evs_errors_total 0$/m);
});
