/** Contract row 10, for real: a daemon whose wall clock is moved by months while it works. */
import assert from "node:assert/strict";
import { Client } from "../../core/client/client.ts";
import { newDaemon } from "../helpers/daemon.ts";

const DAY = 86_400_000;

/** Debian's faketime (https://github.com/wolfcw/libfaketime): the wall clock of a process is that of the file's offset. */
async function findLibrary(): Promise<string> {
  const { stdout } = await new Deno.Command("sh", {
    args: ["-c", "ls /usr/lib/*/faketime/libfaketimeMT.so.1"],
  }).output();
  const path = new TextDecoder().decode(stdout).trim();
  assert.notEqual(path, "", "this tool is needed: apt-get install faketime");
  return path;
}

Deno.test("daemon keeps order, seqs, followers and running timers when its clock jumps by months", async () => {
  const library = await findLibrary();
  await using daemon = await newDaemon({
    wrapper: [
      "env",
      `LD_PRELOAD=${library}`,
      "FAKETIME_NO_CACHE=1",
      "FAKETIME_DONT_FAKE_MONOTONIC=1",
      "DONT_FAKE_MONOTONIC=1",
    ],
  });
  const offset = `${daemon.folder}/offset`;
  const shift = (days: number) => Deno.writeTextFile(offset, `${days < 0 ? "" : "+"}${days}d\n`);
  await shift(0);
  Deno.env.set("FAKETIME_TIMESTAMP_FILE", offset);
  try {
    await daemon.start();
  } finally {
    Deno.env.delete("FAKETIME_TIMESTAMP_FILE");
  }
  using client = new Client({ socket: daemon.socket });
  await daemon.http("PUT", "/v1/topics/t", {});
  await daemon.http("PUT", "/v1/subscriptions/s", {
    topic: "t",
    from: "start",
    settings: {
      maxRetries: 5,
      backoff: { kind: "fixed", base: 1500, max: 1500, jitter: false },
    },
  });
  const follower = await client.fetch({
    method: "GET",
    path: "/v1/topics/t/events",
    query: { follow: 1, from: "start", limit: 40 },
  });

  await daemon.publish("t", "n", 0);
  const [lease] = (await client.lease("s", { max: 1, leaseMs: 60_000 })).deliveries;
  // A retry that is due in 1.5 s of time that passes, and a lease that lasts a minute of it.
  const failedAt = performance.now();
  await client.nack("s", { deliveries: [{ lease: lease!.lease, error: "not now" }] });
  let at = 1;
  for (const days of [90, -400, 30, -1]) {
    await shift(days);
    for (let i = 0; i < 9; i++) await daemon.publish("t", "n", at++);
  }
  const status = (await daemon.http("GET", "/v1/subscriptions/s")).json;
  assert.equal(status.scheduled, 1, "no jump makes a retry due");
  const retried = await client.lease("s", { max: 1, waitMs: 20_000 });
  assert.equal((retried.deliveries[0]!.event as { seq: number }).seq, 2, "others go on meanwhile");
  while (true) {
    const { deliveries } = await client.lease("s", { max: 1, waitMs: 20_000 });
    if ((deliveries[0]!.event as { seq: number }).seq === 1) break;
  }
  const waited = performance.now() - failedAt;
  assert.ok(waited >= 1400, `the retry came after ${Math.round(waited)} ms`);
  assert.ok(waited < 15_000, `the retry came after ${Math.round(waited)} ms`);

  const stored = await daemon.replay("t");
  assert.deepEqual(stored.map(({ seq }) => seq), Array.from({ length: at }, (_, i) => i + 1));
  assert.deepEqual(stored.map(({ payload }) => payload), Array.from({ length: at }, (_, i) => i));
  const times = stored.map(({ timestamp }) => timestamp);
  assert.ok(Math.max(...times) - Math.min(...times) > 400 * DAY, "the clock did jump");
  const followed: number[] = [];
  for await (const line of follower.lines()) {
    if (line.length > 0) followed.push(JSON.parse(new TextDecoder().decode(line)).seq);
    if (followed.length === at) break;
  }
  assert.deepEqual(followed, stored.map(({ seq }) => seq), "a follower sees all of it, in order");
  for (const { id, seq } of [stored[0], stored[15], stored[at - 1]]) {
    assert.equal((await daemon.http("GET", `/v1/topics/t/events/${id}`)).json.seq, seq);
  }
  await daemon.kill();
  await daemon.start();
  assert.deepEqual((await daemon.replay("t")).map(({ id }) => id), stored.map(({ id }) => id));
  await daemon.stop();
});
