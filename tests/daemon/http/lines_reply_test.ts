/**
 * A response of lines on the wire: chunks are complete when they are sent, whatever the size of a
 * page. And who has a turn between two of them.
 */
import assert from "node:assert/strict";
import { LinesReply } from "../../../daemon/http/lines_reply.ts";
import { Reply } from "../../../daemon/http/reply.ts";
import { startDaemon, type TestDaemon } from "../../helpers/daemon.ts";
import { until } from "../../helpers/evs.ts";
import { head, RawConnection } from "../../helpers/raw_connection.ts";

/** Small pages and large ones: a frame goes along with the former. */
const SIZES = [1, 100, 40_000, 700_000, 20, 900_000, 5, 300_000];

async function publish(daemon: TestDaemon, sizes: readonly number[]): Promise<void> {
  for (const size of sizes) await daemon.publish("t", "n", "x".repeat(size));
}

/** The bodies of whole chunks, and what follows them. Throws if a frame is malformed. */
function chunksOf(text: string): { chunks: string[]; rest: string } {
  const chunks: string[] = [];
  let rest = text;
  for (;;) {
    const [line, size] = /^([0-9a-f]+)\r\n/.exec(rest) ?? [];
    if (line === undefined || size === undefined) return { chunks, rest };
    const end = line.length + parseInt(size, 16);
    if (rest.length < end + 2) return { chunks, rest };
    assert.equal(rest.slice(end, end + 2), "\r\n");
    chunks.push(rest.slice(line.length, end));
    rest = rest.slice(end + 2);
  }
}

/** A connection that is closed, and so fails its test, when what is waited for does not come. */
async function opened(daemon: TestDaemon): Promise<RawConnection & Disposable> {
  const connection = await RawConnection.open(daemon.socket);
  const deadline = setTimeout(() => connection.close(), 60_000);
  return Object.assign(connection, {
    [Symbol.dispose]() {
      clearTimeout(deadline);
      connection.close();
    },
  });
}

function seqs(lines: string): number[] {
  return lines.split("\n").filter(Boolean).map((line) => (JSON.parse(line) as { seq: number }).seq);
}

const ALL = SIZES.map((_, i) => i + 1);

Deno.test("daemon sends a replay in whole chunks, and plainly to a client of HTTP/1.0", async () => {
  await using daemon = await startDaemon();
  await publish(daemon, SIZES);
  using connection = await opened(daemon);
  await connection.send(head("GET /v1/topics/t/events"));
  const answer = await connection.until(/\r\n0\r\n\r\n$/);
  const [header = "", body = ""] = split(answer);
  assert.match(header, /transfer-encoding: chunked/i);
  const { chunks, rest } = chunksOf(body);
  assert.equal(rest, "");
  assert.equal(chunks.pop(), "");
  assert.deepEqual(seqs(chunks.join("")), ALL);
  // The connection stays usable.
  await connection.send(head("GET /v1/topics/t/events/2"));
  await connection.until(/"seq":2,.*\}\n$/);

  using old = await opened(daemon);
  await old.send("GET /v1/topics/t/events HTTP/1.0\r\n\r\n");
  const [oldHeader = "", oldBody = ""] = split(await old.untilEnd());
  assert.doesNotMatch(oldHeader, /chunked/i);
  assert.deepEqual(seqs(oldBody), ALL);
});

Deno.test("daemon ends a follower's chunk when it sends it", async () => {
  await using daemon = await startDaemon();
  await publish(daemon, [1]);
  using connection = await opened(daemon);
  await connection.send(head("GET /v1/topics/t/events?follow=1"));
  await connection.until(/\r\n\r\n/);
  let sent = 1;
  for (const size of [3, 200_000, 30]) {
    await publish(daemon, [size]);
    const text = await connection.until(new RegExp(`"seq":${++sent},.*\\}\\n\\r\\n$`));
    assert.equal(chunksOf(split(text)[1]!).rest, "");
  }
});

Deno.test("daemon is done with readers that went away within a page", async () => {
  await using daemon = await startDaemon();
  await publish(daemon, SIZES);
  for (let n = 0; n < 20; n++) {
    using connection = await opened(daemon);
    await connection.send(head("GET /v1/topics/t/events?follow=1&from=start"));
    await connection.until(n % 2 === 0 ? /\r\n\r\n/ : /"seq":4/);
  }
  await until(async () => (await daemon.http("GET", "/v1/status")).json.tails === 0);
});

Deno.test("LinesReply lets others have their turn after a page, and not after what was waited for", async () => {
  const reply: Reply = new Reply({ send: () => reply.taken(), destroy() {} }, { keepAlive: true });
  const out = new LinesReply(reply);
  out.begin({});
  let hadTurn = false;
  setImmediate(() => hadTurn = true);
  await out.writeAtOnce(Uint8Array.of(10));
  assert.equal(hadTurn, false);
  await out.write(Uint8Array.of(10));
  assert.equal(hadTurn, true);
});

Deno.test("Reply frames lines that others are sent, too, once for all of them", async () => {
  const sent: Uint8Array[][] = [];
  const replies = [false, false, true].map((isHttp10) => {
    const reply = new Reply({ send() {}, destroy() {} }, { keepAlive: true, isHttp10 });
    let rooms = 0;
    reply.onRoom = () => rooms++;
    reply.begin(200, {});
    reply.waiting = [];
    sent.push(reply.waiting);
    return { reply, rooms: () => rooms };
  });
  const bytes = new Uint8Array(40_000).fill(10);
  for (const { reply } of replies) reply.writeShared(bytes);
  const [[one], [other], [plain]] = sent as [Uint8Array[], Uint8Array[], Uint8Array[]];
  assert.ok(one !== undefined && one === other);
  assert.equal(chunksOf(new TextDecoder().decode(one)).chunks.join("").length, bytes.length);
  assert.equal(plain, bytes);
  const [{ reply, rooms }] = replies as [typeof replies[0]];
  const written = reply.write(bytes, { shared: true });
  assert.equal(reply.waiting.pop(), one);
  assert.equal(rooms(), 0);
  reply.taken();
  assert.equal(rooms(), 1);
  await written;
  reply.end();
  reply.writeShared(bytes);
  assert.deepEqual(reply.waiting.map(({ length }) => length), [one.length, 5]);
});

function split(answer: string): [string, string] {
  const at = answer.indexOf("\r\n\r\n");
  return [answer.slice(0, at), answer.slice(at + 4)];
}
