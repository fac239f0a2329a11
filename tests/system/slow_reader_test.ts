/**
 * Contract row 15: a stopped reader costs bounded memory, slows nobody down, and misses nothing
 * when it continues.
 */
import assert from "node:assert/strict";
import { startDaemon, type TestDaemon } from "../helpers/daemon.ts";
import { dose } from "../helpers/dose.ts";
import { mebibytes, MIB, p99, resetPeak } from "../helpers/measure.ts";
import { heldInOneOf } from "../helpers/series.ts";
import { head, RawConnection } from "../helpers/raw_connection.ts";
import { peakMemory } from "../helpers/shell.ts";
import { stoppedTail } from "../helpers/stopped_tail.ts";

const PAYLOAD = "x".repeat(64 * 1024);
const EVENTS = dose(1600, 16_384);
const TOTAL = mebibytes(EVENTS * PAYLOAD.length);
/** Beside the daemon's own, ms: two processors are shared with the publishers and the tests. */
const LEAST_WAIT = 20;

interface Run {
  peak: number;
  waits: number[];
}

/**
 * Publishes all that is to be published, while somebody else publishes small events and takes the
 * time.
 */
async function load(daemon: TestDaemon): Promise<Run> {
  resetPeak(daemon.pid);
  let over = false;
  const waits: number[] = [];
  const other = (async () => {
    const connection = await RawConnection.open(daemon.socket);
    while (!over) {
      const began = performance.now();
      await connection.send(
        head("POST /v1/topics/others/events?type=n", "content-length: 1") + "1",
      );
      assert.equal((await connection.answer()).status, 200);
      waits.push(performance.now() - began);
    }
    connection.close();
  })();
  const connection = await RawConnection.open(daemon.socket);
  const lines = `${JSON.stringify(PAYLOAD)}\n`.repeat(8);
  const request = new TextEncoder().encode(
    head(
      "POST /v1/topics/big/events?type=b",
      "content-type: application/x-ndjson",
      `content-length: ${lines.length}`,
    ) + lines,
  );
  for (let n = 0; n < EVENTS; n += 8) {
    await connection.send(request);
    assert.equal((await connection.answer()).status, 200);
  }
  connection.close();
  over = true;
  await other;
  return { peak: peakMemory(daemon.pid)!, waits };
}

for (const store of ["sqlite", "file"]) {
  Deno.test(`a stopped tail behind ${TOTAL} costs under 64 MiB, slows nobody and misses nothing (${store})`, async () => {
    await heldInOneOf(async () => {
      const controlRun = async () => {
        await using daemon = await startDaemon({ store });
        return await load(daemon);
      };
      const control = await controlRun();
      await using daemon = await startDaemon({ store });
      await daemon.http("PUT", "/v1/topics/big", {});
      const tail = await stoppedTail(daemon, "big");
      // One that asked for all of it and never read a byte.
      const silent = await RawConnection.open(daemon.socket);
      await silent.send(head("GET /v1/topics/big/events?follow=1"));
      const run = await load(daemon);
      const more = run.peak - control.peak;
      const wait = p99(run.waits);
      let alone = p99(control.waits);

      tail.kill("SIGCONT");
      let lines = 0;
      for await (const chunk of tail.stdout) {
        for (const byte of chunk) if (byte === 0x0a) lines++;
        if (lines === EVENTS) tail.kill("SIGINT");
      }
      assert.equal(lines, EVENTS);
      await tail.stderr.cancel();
      await tail.status;
      silent.close();
      await daemon.stop();
      // The machine may have become slower meanwhile: then it is so for the control too.
      if (wait >= 2 * alone) alone = Math.max(alone, p99((await controlRun()).waits));
      const holds = wait < Math.max(2 * alone, LEAST_WAIT) && more < 64 * MIB;
      const grown = `${mebibytes(more)} over ${mebibytes(control.peak)}`;
      return { holds, figures: `p99 ${wait} ms, ${alone} ms without, ${grown}` };
    });
  });
}
