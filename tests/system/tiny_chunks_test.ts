/**
 * Contract row 15: a body in one-byte chunks costs bounded memory, and others are served meanwhile.
 */
import assert from "node:assert/strict";
import { Client } from "../../core/client/client.ts";
import { startDaemon, type TestDaemon } from "../helpers/daemon.ts";
import { head, RawConnection } from "../helpers/raw_connection.ts";

const PIECE = 10_000;
const [FEW, MANY] = [10, 60];
/** How often the body is sent: it takes some 60 reads, and an answer to others takes a few. */
const TIMES = 5;
const MEBIBYTE = 2 ** 20;

/** The most memory that a process has had, bytes. */
function peakOf(pid: number): number {
  const [, kib] = /^VmHWM:\s+(\d+) kB/m.exec(Deno.readTextFileSync(`/proc/${pid}/status`))!;
  return Number(kib) * 1024;
}

/**
 * Publishes one JSON string of very many chunks; how often somebody else was answered meanwhile.
 */
async function publishInBytes(
  daemon: TestDaemon,
  options: { contentType: string; pieces: number },
): Promise<number> {
  const { contentType, pieces } = options;
  using client = new Client({ socket: daemon.socket });
  await client.publish("others", '{"type":"n","payload":1}');
  const connection = await RawConnection.open(daemon.socket);
  const line = "POST /v1/topics/t/events?type=t&onError=skip";
  const headers = [`content-type: ${contentType}`, "transfer-encoding: chunked"];
  await connection.send(head(line, ...headers) + '1\r\n"\r\n');
  let over = false;
  const answered = (async () => {
    const piece = new TextEncoder().encode("1\r\na\r\n".repeat(PIECE));
    for (let i = 0; i < pieces; i++) await connection.send(piece);
    await connection.send('1\r\n"\r\n0\r\n\r\n');
    return await connection.answer();
  })().finally(() => over = true);
  let others = 0;
  while (!over) {
    await client.publish("others", '{"type":"n","payload":1}');
    others++;
  }
  const { status, body } = await answered;
  connection.close();
  assert.equal(status, 200, body);
  assert.equal(JSON.parse(body).count, 1, body);
  const [event] = await daemon.replay("t", "?from=-1");
  assert.equal(event.payload.length, PIECE * pieces);
  return others;
}

for (const contentType of ["application/json", "application/x-ndjson"]) {
  Deno.test(`daemon takes a body in chunks of a byte, and answers others meanwhile: ${contentType}`, async () => {
    // How long a sync takes is not what is looked at here.
    await using daemon = await startDaemon({ durability: "os" });
    // With few chunks, too, there is some data in flight between two turns.
    await publishInBytes(daemon, { contentType, pieces: FEW });
    const before = peakOf(daemon.pid);
    let others = 0;
    for (let n = 0; n < TIMES; n++) {
      others += await publishInBytes(daemon, { contentType, pieces: MANY });
    }
    const grown = peakOf(daemon.pid) - before;
    // If they had to wait for a body, there would be one at its beginning and one at its end.
    assert.ok(others > 3 * TIMES, `others were answered ${others} times`);
    assert.ok(grown < 192 * MEBIBYTE, `the daemon took ${Math.round(grown / MEBIBYTE)} MiB more`);
  });
}
