/**
 * A publish with `batch` is stored as a whole or not at all, and can be found by its first and last
 * id.
 */
import assert from "node:assert/strict";
import fc from "../../packages/fast_check.ts";
import {
  batchTagOf,
  isBatchTag,
  newBatchTag,
  withBatchTag,
} from "../../../core/event/batch_tag.ts";
import { IdSource } from "../../../core/event/id.ts";
import { eventsOf, pack, type StoreRequest } from "../../../core/store/pack.ts";
import { oneRequest, tagged } from "../../../daemon/routes/publish_batch.ts";
import { startDaemon } from "../../helpers/daemon.ts";
import { until } from "../../helpers/evs.ts";

const TAG = "8000-00000000abcd";
const NDJSON = { "content-type": "application/x-ndjson" };
const encoder = new TextEncoder();

Deno.test("newBatchTag makes what an id of ours ends with", () => {
  fc.assert(fc.property(fc.uint8Array({ minLength: 8, maxLength: 8 }), (random) => {
    const tag = newBatchTag((bytes) => bytes.set(random));
    assert.ok(isBatchTag(tag), tag);
    const id = new IdSource().next(Date.now());
    assert.equal(withBatchTag(id, tag).length, id.length);
    assert.equal(batchTagOf(withBatchTag(id, tag)), tag);
    assert.equal(withBatchTag(id, batchTagOf(id)), id);
  }));
});

Deno.test("oneRequest and tagged keep every payload in order and change two ids, packed or not", () => {
  const request = (ids: IdSource, payloads: readonly number[]): StoreRequest => ({
    topic: "t",
    events: payloads.map((payload) => ({
      id: ids.next(0),
      idGiven: false,
      type: "n",
      timestamp: 0,
      schemaVersion: "1.0",
      metadata: "{}",
      payload: encoder.encode(String(payload)),
    })),
  });
  const packed = (source: StoreRequest): StoreRequest => {
    const columns = pack(source);
    assert.ok(typeof columns.ids !== "string", "generated ids are bytes");
    return columns;
  };
  const parts = fc.array(
    fc.tuple(fc.array(fc.nat(9), { minLength: 1, maxLength: 5 }), fc.boolean()),
    { minLength: 1, maxLength: 3 },
  );
  fc.assert(fc.property(parts, (parts) => {
    const ids = new IdSource();
    const requests = parts.map(([payloads, isPacked]) =>
      isPacked ? packed(request(ids, payloads)) : request(ids, payloads)
    );
    const before = requests.flatMap(eventsOf);
    const after = eventsOf(tagged(oneRequest(requests)!, TAG));
    assert.deepEqual(after.map(({ payload }) => payload), before.map(({ payload }) => payload));
    after.forEach(({ id }, i) => {
      const isEdge = i === 0 || i === after.length - 1;
      assert.equal(id, isEdge ? withBatchTag(before[i]!.id, TAG) : before[i]!.id);
    });
  }));
});

for (const store of ["memory", "sqlite", "file"]) {
  Deno.test(`a publish with batch tags its first and last event in a ${store} store, which are found by id`, async () => {
    await using at = await startDaemon({ store });
    const lines = Array.from({ length: 5000 }, (_, i) => `${i}\n`).join("");
    const path = `/v1/topics/t/events?type=n&batch=${TAG}`;
    const reply = await at.http("POST", path, lines, NDJSON);
    assert.equal(reply.status, 200, reply.text);
    assert.deepEqual([reply.json.firstSeq, reply.json.lastSeq], [1, 5000]);
    const events = await at.replay("t");
    const marked = events.filter(({ id }) => batchTagOf(id) === TAG).map(({ seq }) => seq);
    assert.deepEqual(marked, [1, 5000]);
    for (const seq of [1, 2, 2500, 4999, 5000]) {
      const { json } = await at.http("GET", `/v1/topics/t/events/${events[seq - 1].id}`);
      assert.equal(json.seq, seq);
    }
  });
}

Deno.test("a publish with batch that breaks off is not stored in part", async () => {
  await using at = await startDaemon();
  const send = async (query: string) => {
    const connection = await Deno.connect({ transport: "unix", path: at.socket });
    const head = `POST /v1/topics/t/events?type=${query} HTTP/1.1\r\nhost: localhost\r\n` +
      "content-type: application/x-ndjson\r\ncontent-length: 1000000\r\n\r\n";
    await connection.write(encoder.encode(`${head}1\n2\n3\n`));
    return connection;
  };
  using batch = await send(`batch&batch=${TAG}`);
  // The control: without it, what has come is stored at once.
  using control = await send("control");
  assert.ok(batch && control);
  await until(async () => (await at.http("GET", "/v1/topics/t")).json?.lastSeq === 3);
  batch.close();
  await at.stop();
  await at.start();
  assert.deepEqual((await at.replay("t")).map(({ type }) => type), [
    "control",
    "control",
    "control",
  ]);
});

Deno.test("a publish refuses a batch of envelopes, of given ids, and a tag that is none", async () => {
  await using at = await startDaemon();
  for (const query of [`batch=${TAG}`, `type=n&idPrefix=p&batch=${TAG}`, "type=n&batch=1"]) {
    const { status, json } = await at.http("POST", `/v1/topics/t/events?${query}`, "1\n", NDJSON);
    assert.equal(status, 400, query);
    assert.match(json.error.message, /^batch /);
  }
});
