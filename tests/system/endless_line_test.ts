/**
 * Contract row 16: anything over the limit is refused before it is buffered, in whatever form it
 * arrives.
 */
import assert from "node:assert/strict";
import { startDaemon, type TestDaemon } from "../helpers/daemon.ts";
import { dose } from "../helpers/dose.ts";
import { mebibytes, MIB, resetPeak, residentMemory } from "../helpers/measure.ts";
import { head, RawConnection } from "../helpers/raw_connection.ts";
import { heldInOneOf } from "../helpers/series.ts";
import { peakMemory } from "../helpers/shell.ts";
import { STORES } from "../helpers/stores.ts";

const MOST = dose(100, 1024) * MIB;
const PIECE = "x".repeat(64 * 1024);
const CHUNKED = "transfer-encoding: chunked";
const NDJSON = "content-type: application/x-ndjson";
const publish = "POST /v1/topics/t/events?type=x";

/** What comes without end, what is said to it, and how many bytes are taken at most. */
interface Endless {
  what: string;
  begin: string;
  said: RegExp;
  most: number;
  chunked: boolean;
  /** The rest is sent when the answer is there. */
  late?: true;
}

const ENDLESS: Endless[] = [
  {
    what: "a line",
    begin: head(publish, NDJSON, CHUNKED),
    said: /^HTTP\/1\.1 413 [^]*"event\/too-large"/,
    most: 8 * MIB,
    chunked: true,
  },
  {
    what: "a JSON body",
    begin: head(publish, "content-type: application/json", CHUNKED),
    said: /^HTTP\/1\.1 413 [^]*"event\/too-large"/,
    most: 32 * MIB,
    chunked: true,
  },
  {
    what: "a schema",
    begin: head("PUT /v1/schemas/x", CHUNKED),
    said: /^HTTP\/1\.1 4\d\d /,
    most: 8 * MIB,
    chunked: true,
  },
  {
    what: "a body that nobody asked for",
    begin: head("GET /v1/health", CHUNKED),
    said: /^HTTP\/1\.1 200 /,
    most: 8 * MIB,
    chunked: true,
  },
  {
    what: "a late body that nobody asked for",
    begin: head("GET /v1/health", CHUNKED),
    said: /^HTTP\/1\.1 200 /,
    most: 8 * MIB,
    chunked: true,
    late: true,
  },
  {
    what: "a header",
    begin: "GET /v1/health HTTP/1.1\r\nx: ",
    said: /^HTTP\/1\.1 431 /,
    most: 2 * MIB,
    chunked: false,
  },
  { what: "a path", begin: "GET /", said: /^HTTP\/1\.1 431 /, most: 2 * MIB, chunked: false },
];

async function sendEndless(
  daemon: TestDaemon,
  { begin, chunked, late }: Endless,
): Promise<{ sent: number; text: string }> {
  const connection = await RawConnection.open(daemon.socket);
  await connection.send(begin);
  if (late) await connection.until(/\r\n\r\n/);
  const text = connection.untilEnd();
  const piece = chunked ? `${PIECE.length.toString(16)}\r\n${PIECE}\r\n` : PIECE;
  const sent = await connection.sendOn(new TextEncoder().encode(piece), MOST);
  const said = await text;
  connection.close();
  return { sent, text: said };
}

for (
  const [store, endless] of STORES.flatMap((store) => ENDLESS.map((one) => [store, one] as const))
) {
  Deno.test(`${endless.what} without end is refused before it is buffered, and the connection ends (${store})`, async () => {
    // When garbage is collected is chance, on a busy machine more so. What one has kept must not be
    // where the next begins: each has a daemon of its own.
    await heldInOneOf(async () => {
      await using daemon = await startDaemon({ store });
      // Warm: ordinary work, and the same until what the daemon keeps of one, to use it again, is
      // there for the next. One or two leave as much of that as garbage is collected, by chance.
      for (let i = 0; i < 20; i++) await daemon.publish("t", "x", PIECE);
      for (let i = 0; i < 6; i++) await sendEndless(daemon, endless);
      const before = residentMemory(daemon.pid);
      resetPeak(daemon.pid);
      const { sent, text } = await sendEndless(daemon, endless);
      const grown = peakMemory(daemon.pid)! - before;
      assert.match(text, endless.said);
      assert.ok(sent <= endless.most, `${mebibytes(sent)} were taken`);
      assert.equal((await daemon.publish("t", "x", 1)).firstSeq, 21);
      await daemon.stop();
      return { holds: grown < 32 * MIB, figures: `it grew by ${mebibytes(grown)}` };
    });
  });
}

for (const store of STORES) {
  Deno.test(`a line over the limit is passed over without being kept when the publisher asks to skip, and its neighbours are stored (${store})`, async () => {
    // When garbage is collected is chance, on a busy machine more so.
    await heldInOneOf(async () => {
      await using daemon = await startDaemon({ store });
      const connection = await RawConnection.open(daemon.socket);
      await connection.send(head(`${publish}&onError=skip`, NDJSON, CHUNKED) + "2\r\n1\n\r\n");
      const before = residentMemory(daemon.pid);
      const piece = new TextEncoder().encode(`${PIECE.length.toString(16)}\r\n${PIECE}\r\n`);
      assert.equal(
        await connection.sendOn(piece, MOST),
        Math.ceil(MOST / piece.length) * piece.length,
      );
      const grown = residentMemory(daemon.pid) - before;
      await connection.send("3\r\n\n2\n\r\n0\r\n\r\n");
      const answer = JSON.parse((await connection.answer()).body);
      assert.equal(answer.count, 2);
      assert.deepEqual(
        answer.refused.map(({ line, code }: { line: number; code: string }) => [line, code]),
        [[2, "event/too-large"]],
      );
      connection.close();
      await daemon.stop();
      return { holds: grown < 32 * MIB, figures: `it grew by ${mebibytes(grown)}` };
    });
  });
}
