/**
 * No error is swallowed: unexpected errors and our own bugs are logged with their stack, counted,
 * and affect only their request; a failed timed sync is reported at once and ends the daemon with
 * an error. By fault injection.
 */
import assert from "node:assert/strict";
import { systemClock } from "../../core/base/clock.ts";
import { InternalError, InvalidArgumentError } from "../../core/base/errors.ts";
import { FileEventStore } from "../../core/store/file/file_event_store.ts";
import { WalSyncer } from "../../core/store/sqlite/wal_syncer.ts";
import type { Services } from "../../daemon/services.ts";
import { Metrics } from "../../daemon/metrics.ts";
import type { Route } from "../../daemon/http/router.ts";
import { listen } from "../../daemon/http/server.ts";
import { newEvent } from "../core/store/conformance.ts";
import { startDaemon } from "../helpers/daemon.ts";
import { until } from "../helpers/evs.ts";
import { MemoryDisk } from "../helpers/memory_disk.ts";
import { head, RawConnection } from "../helpers/raw_connection.ts";
import { inFolder } from "../helpers/start.ts";

/** Services of which only errors are asked. */
function fakeServices(folder: string, told: [unknown, string][]): Services {
  const metrics = new Metrics();
  return {
    broker: { subscriptions: { releaseConsumer() {} } },
    config: { maxConnections: 10 },
    dataDir: folder,
    socket: `${folder}/evs.sock`,
    metrics,
    log: { logger: { warning() {} } },
    connections: () => 0,
    rest: { note() {} },
    disk: { note() {} },
    unexpected(error: unknown, context: string) {
      metrics.errors++;
      told.push([error, context]);
    },
  } as unknown as Services;
}

Deno.test("listen tells of errors that nobody foresaw and of our own bugs, and the next request is served", async () => {
  await inFolder(async (folder) => {
    const thrown: Record<string, unknown> = {
      "/unforeseen": new TypeError("x is not a function"),
      "/bug": new InternalError("a commit failed without saying why"),
      "/text": "only words",
      "/wrong": new InvalidArgumentError("that is your mistake"),
    };
    const routes = Object.keys(thrown).map((path): Route => ({
      method: "GET",
      path,
      handle: () => Promise.reject(thrown[path]),
    }));
    const told: [unknown, string][] = [];
    const host = fakeServices(folder, told);
    const server = await listen(host, routes);
    const answers: number[] = [];
    for (const path of Object.keys(thrown)) {
      const connection = await RawConnection.open(host.socket);
      await connection.send(head(`GET ${path}`));
      const { status, body } = await connection.answer();
      answers.push(status);
      assert.equal(
        JSON.parse(body).error.code,
        status === 400 ? "argument/invalid" : "internal/bug",
      );
      connection.close();
    }
    assert.deepEqual(answers, [500, 500, 500, 400]);
    assert.deepEqual(
      told,
      ["/unforeseen", "/bug", "/text"].map((path) => [thrown[path], `GET ${path}`]),
    );
    assert.equal(host.metrics.errors, 3);
    await server.drain(AbortSignal.timeout(60_000));
  });
});

Deno.test("WalSyncer and FileEventStore tell at once of a sync by timer that failed", async () => {
  const told: unknown[] = [];
  const due: (() => void)[] = [];
  const clock = {
    ...systemClock,
    setTimer: (run: () => void) => {
      due.push(run);
      return () => {};
    },
  };
  const syncer = new WalSyncer("/nowhere/events.db", {
    interval: 5,
    clock,
    onFailure: (error) => told.push(error),
  });
  syncer.written();
  due.pop()!();
  assert.ok(told[0] instanceof Deno.errors.NotFound);
  assert.throws(() => syncer.check(), Deno.errors.NotFound);
  assert.throws(() => syncer.close(), Deno.errors.NotFound, "nobody takes it for synced");

  const disk = new MemoryDisk();
  const failed = Promise.withResolvers<unknown>();
  const store = new FileEventStore("/events", {
    disk,
    clock,
    durability: "interval:5",
    onFailure: failed.resolve,
  });
  await store.append([{ topic: "t", events: [newEvent()] }]);
  disk.onCall = ({ op }) => {
    if (op === "sync") throw new Error("Input/output error (os error 5)");
  };
  due.pop()!();
  assert.match(String(await failed.promise), /Input\/output error/);
  await assert.rejects(store.append([{ topic: "t", events: [newEvent()] }]), /Input\/output error/);
  await store.close();
});

Deno.test("daemon calls nothing unforeseen when a client goes away that waits for a position", async () => {
  await using daemon = await startDaemon();
  await daemon.http("PUT", "/v1/subscriptions/s", { topic: "t" });
  await daemon.publish("t", "x", 1);
  const body = JSON.stringify({ topic: "t", seq: 1, waitMs: 60_000 });
  const connection = await RawConnection.open(daemon.socket);
  await connection.send(
    head("POST /v1/subscriptions/s/processed", `content-length: ${body.length}`) + body,
  );
  await new Promise((resolve) => setTimeout(resolve, 200)); // it has come, or nothing is shown
  connection.close();
  await until(async () => (await daemon.http("GET", "/v1/status")).json.connections === 1);
  assert.match((await daemon.http("GET", "/metrics")).text, /^evs_errors_total 0$/m);
  await daemon.stop();
});

Deno.test("daemon ends with an error by itself, and logs why, when a sync by timer fails and nobody publishes any more", async () => {
  await using daemon = await startDaemon({ durability: "interval:1s" });
  await daemon.publish("t", "x", 1);
  await Deno.remove(`${daemon.dataDir}/events.db-wal`); // what the sync looks for is gone
  // Publish again, because the first one may already have been synced. This sync cannot succeed; it
  // may have failed already.
  await daemon.http("POST", "/v1/topics/t/events?type=x", "2").catch(() => {});
  const { code, signal } = await daemon.exited();
  assert.ok(code !== 0 && signal === null, `it ended with ${code} ${signal}`);
  const log = await Deno.readTextFile(`${daemon.dataDir}/log/daemon.log`);
  const errors = log.split("\n").filter((line) => /"level":"error"/.test(line)).map((line) =>
    JSON.parse(line)
  );
  assert.ok(errors.length > 0);
  // Whichever comes first: the sync by timer, or the look for the file before an acknowledgement.
  const words = /a worker of the daemon died|events\.db-wal was removed or replaced/;
  assert.match(errors[0].error.stack, words);
});
