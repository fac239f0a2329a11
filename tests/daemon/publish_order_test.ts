/**
 * Publish order: pipelined requests on one connection are stored in order, however long each takes.
 */
import assert from "node:assert/strict";
import { Connection } from "../../core/client/connection.ts";
import { startDaemon } from "../helpers/daemon.ts";

const encoder = new TextEncoder();

function lines(count: number, text: string): Uint8Array {
  return encoder.encode(`${JSON.stringify(text)}\n`.repeat(count));
}

Deno.test("publish keeps the order of pipelined requests when the first one is large and the others small", async () => {
  await using daemon = await startDaemon();
  const connection = await Connection.open(daemon.socket);
  // More than a connection may have in flight, so that the first request waits in the middle of its
  // body.
  const bodies = [lines(1000, "x".repeat(1000)), lines(1, "second"), lines(300, "y".repeat(1000))];
  bodies.push(lines(1, "fourth"));
  for (const body of bodies) {
    await connection.send({
      method: "POST",
      path: "/v1/topics/t/events",
      query: { type: "x" },
      contentType: "application/x-ndjson",
      body,
    });
  }
  const ranges: [number, number][] = [];
  for (const _ of bodies) {
    const { firstSeq, lastSeq } = await (await connection.receive()).json<
      { firstSeq: number; lastSeq: number }
    >();
    ranges.push([firstSeq, lastSeq]);
  }
  assert.deepEqual(ranges, [[1, 1000], [1001, 1001], [1002, 1301], [1302, 1302]]);
  const events = await daemon.replay("t");
  assert.deepEqual([events[1000].payload, events[1301].payload], ["second", "fourth"]);
  connection.close();
  await daemon.stop();
});
