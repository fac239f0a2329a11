/**
 * The size limit covers everything that a publisher sends for an event: payload, metadata, type,
 * key and id.
 */
import assert from "node:assert/strict";
import { startDaemon } from "../../helpers/daemon.ts";

const KIB = 1024;
const text = (bytes: number) => "x".repeat(bytes);

Deno.test("a line whose metadata is too large is refused by its number, and its neighbours are stored", async () => {
  await using at = await startDaemon({ config: 'max_event_bytes = "64KiB"\n' });
  const line = (payload: number, metadata: number) =>
    JSON.stringify({ type: "x", payload: text(payload), metadata: { m: text(metadata) } });
  const lines = [line(1, 1), line(40 * KIB, 40 * KIB), line(30 * KIB, 30 * KIB), line(1, 70 * KIB)];
  const reply = await at.http("POST", "/v1/topics/t/events?onError=skip", lines.join("\n"), {
    "content-type": "application/x-ndjson",
  });
  assert.equal(reply.json.count, 2, reply.text.slice(0, 500));
  assert.deepEqual(
    reply.json.refused.map(({ line, code }: { line: number; code: string }) => [line, code]),
    [[2, "event/too-large"], [4, "event/too-large"]],
  );
});

Deno.test("an array and a single event are refused when metadata makes one too large", async () => {
  await using at = await startDaemon({ config: 'max_event_bytes = "64KiB"\n' });
  const large = { type: "x", payload: text(40 * KIB), metadata: { m: text(40 * KIB) } };
  const single = await at.http("POST", "/v1/topics/t/events", large);
  assert.equal(single.status, 413);
  assert.equal(single.json.error.code, "event/too-large");
  const array = await at.http("POST", "/v1/topics/t/events", [{ type: "x", payload: 1 }, large]);
  assert.equal(array.status, 413);
  assert.match(array.json.error.message, /element 2/);
  const huge = { type: "x", payload: 1, metadata: { m: text(15 * 1024 * KIB) } };
  assert.equal((await at.http("POST", "/v1/topics/t/events", [huge])).status, 413);
  // Nothing was stored: the topic was not even made.
  assert.equal((await at.http("GET", "/v1/topics/t")).status, 404);
});

Deno.test("a bare line is refused when it is too large with the type, key and metadata of its publish", async () => {
  await using at = await startDaemon({ config: 'max_event_bytes = "4KiB"\n' });
  const publish = async (query: string, bytes: number) => {
    const body = `1\n"${text(bytes - 2)}"\n2\n`;
    const reply = await at.http("POST", `/v1/topics/t/events?onError=skip&${query}`, body, {
      "content-type": "application/x-ndjson",
    });
    return reply.json.refused.map(({ line }: { line: number }) => line);
  };
  assert.deepEqual(await publish("type=x", 4 * KIB - 37), []);
  assert.deepEqual(await publish("type=x", 4 * KIB - 36), [2]);
  const metadata = `metadata=${encodeURIComponent(JSON.stringify({ m: text(1000) }))}`;
  assert.deepEqual(await publish(`type=x&${metadata}`, 3000), []);
  assert.deepEqual(await publish(`type=x&${metadata}`, 3.5 * KIB), [2]);
  assert.deepEqual(await publish(`type=x&key=${text(200)}`, 4 * KIB - 150), [2]);
});
