/**
 * Contract row 19 on a real daemon that stops: what is in flight ends as if nothing were, and what
 * comes behind it is told that nothing of it was stored.
 */
import assert from "node:assert/strict";
import { lstat } from "../../../core/base/if_there.ts";
import { startDaemon } from "../../helpers/daemon.ts";
import { until } from "../../helpers/evs.ts";
import { head, RawConnection } from "../../helpers/raw_connection.ts";

const ROUNDS = 20;

function chunk(text: string): string {
  return `${text.length.toString(16)}\r\n${text}\r\n`;
}

Deno.test("a request behind the last one of a daemon that stops is refused, and nothing of it is stored", async () => {
  await using daemon = await startDaemon();
  const upload = head(
    "POST /v1/topics/t/events?type=n",
    "content-type: application/x-ndjson",
    "transfer-encoding: chunked",
  );
  const late = head("POST /v1/topics/t/events?type=late", "content-length: 1") + "1";
  // A body has a second to end. On a machine that is busier than that, another one is tried.
  for (let round = 1;; round++) {
    assert.ok(round <= ROUNDS, "no upload has ended in time");
    const before = (await daemon.http("GET", "/v1/topics/t")).json.lastSeq ?? 0;
    const connection = await RawConnection.open(daemon.socket);
    await connection.send(upload + chunk("1\n"));
    await until(async () => (await daemon.http("GET", "/v1/topics/t")).json?.lastSeq > before);
    const ended = daemon.kill("SIGTERM");
    await until(() => lstat(daemon.socket) === undefined);
    await connection.send(`${chunk("2\n")}0\r\n\r\n${late}`);
    const first = await connection.answer();
    if (first.status === 200) {
      const second = await connection.answer();
      assert.deepEqual([second.status, JSON.parse(second.body).error?.code], [
        507,
        "daemon/stopping",
      ]);
    }
    connection.close();
    assert.equal((await ended).code, 0);
    await daemon.start();
    const events = await daemon.replay("t");
    assert.deepEqual(events.filter(({ type }) => type === "late"), []);
    if (first.status !== 200) continue;
    assert.equal(JSON.parse(first.body).count, 2);
    assert.deepEqual(events.slice(before).map(({ payload }) => payload), [1, 2]);
    return;
  }
});
