/** One small payload is stored and answered alike, whichever way its publish takes. */
import assert from "node:assert/strict";
import fc from "../../packages/fast_check.ts";
import { PublishTally } from "../../../daemon/routes/publish_tally.ts";
import { storedText } from "../../../daemon/routes/publish_one.ts";
import { startDaemon, type TestDaemon } from "../../helpers/daemon.ts";
import { metricsOf } from "../../helpers/metrics.ts";
import { dose } from "../../helpers/dose.ts";

Deno.test("storedText says of an event what PublishTally says of it", () => {
  const seq = fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER });
  const event = fc.record({
    id: fc.string({ minLength: 1 }),
    schemaVersion: fc.string({ minLength: 1 }),
    expiresAt: fc.option(seq, { nil: undefined }),
  });
  const keySeqs = fc.constantFrom(undefined, [0], [7]);
  fc.assert(
    fc.property(event, seq, keySeqs, fc.boolean(), (event, firstSeq, keySeqs, isDurable) => {
      const outcome = {
        ok: true,
        count: 1,
        firstSeq,
        lastSeq: firstSeq,
        duplicates: [],
        keySeqs,
      } as const;
      const tally = new PublishTally();
      tally.lines = 1;
      const { id, schemaVersion: versions, expiresAt: expires } = event;
      tally.add({ count: 1, ids: [id], versions, expires }, outcome);
      assert.equal(
        storedText(event, outcome, isDurable),
        `${JSON.stringify(tally.reply(isDurable))}\n`,
      );
    }),
    { numRuns: dose(300) },
  );
});

/** A body that is more than one line takes the other way. */
const QUICK = '{"n":9007199254740993,"text":"\u00e4"}';
const SLOW = '{"n":9007199254740993,\n"text":"\u00e4"}';

/** What a publish is answered and what it stores, without what differs each time. */
async function outcomes(daemon: TestDaemon, topic: string, body: string) {
  const publish = async (query: string) => {
    const path = `/v1/topics/${topic}/events?${query}`;
    const { status, json } = await daemon.http("POST", path, body);
    const events = json?.events?.map(({ id, ...rest }: { id: string }) => ({
      ...rest,
      id: id.length === 36 ? "own" : id,
      ...("expiresAt" in rest ? { expiresAt: "later" } : {}),
    }));
    const { message: _, ...error } = json?.error ?? { message: "" };
    return { status, ...json, events, error };
  };
  const told = [];
  for (
    const query of [
      "type=a",
      "type=b&id=mine",
      "type=b&id=mine",
      "type=c&key=k",
      "type=c&key=k&expectedKeySeq=1",
      "type=c&key=k&expectedKeySeq=1",
      "type=d&ttlMs=3600000",
      'type=e&schemaVersion=7&metadata={"m":1}',
      "type=f&expected=2",
      "type=g&idPrefix=p&line=3",
      "type=h&keyPointer=/n",
      "type=i&line=5",
      "type=checked",
    ]
  ) told.push(await publish(query));
  const stored = (await daemon.replay(topic)).map((event) => ({
    ...event,
    id: String(event.id).length === 36 ? "own" : event.id,
    topic: "any",
    timestamp: "any",
    ...("expiresAt" in event ? { expiresAt: "later" } : {}),
  }));
  return { told, stored };
}

Deno.test("publish stores and answers a plain payload as it does one that takes the long way", async () => {
  await using daemon = await startDaemon();
  const schema = { type: "object", required: ["missing"] };
  const registered = await daemon.http("PUT", "/v1/schemas/checked", schema);
  assert.ok(registered.status < 300, registered.text);
  const [quick, slow] = [
    await outcomes(daemon, "quick", QUICK),
    await outcomes(daemon, "slow", SLOW),
  ];
  const anonymous = (value: unknown) => JSON.stringify(value).replaceAll(/quick|slow/g, "topic");
  assert.equal(anonymous(quick), anonymous(slow));
  assert.deepEqual(quick.told.map(({ status }) => status), [
    ...[200, 200, 200, 200, 200, 409, 200, 200, 409, 200, 200, 200, 422],
  ]);
});

Deno.test("publish stores a body that comes in pieces, or with white space around its value", async () => {
  await using daemon = await startDaemon();
  const path = "/v1/topics/t/events?type=a";
  for (const body of ["1", " 2\n", "\t[3]\r\n"]) await daemon.http("POST", path, body);
  const conn = await Deno.connect({ transport: "unix", path: daemon.socket });
  const reads = conn.readable.getReader();
  const send = (text: string) => conn.write(new TextEncoder().encode(text));
  await send(`POST ${path} HTTP/1.1\r\nhost: evs\r\ncontent-length: 4\r\n`);
  await send("expect: 100-continue\r\n\r\n");
  await reads.read();
  for (const piece of ["[", "4", "]", " "]) await send(piece);
  const { value } = await reads.read();
  assert.match(new TextDecoder().decode(value), /200 OK/);
  await reads.cancel();
  assert.deepEqual((await daemon.replay("t")).map(({ payload }) => payload), [1, 2, [3], [4]]);
});

Deno.test("publish counts what it refuses of one payload, and goes on with the connection", async () => {
  await using daemon = await startDaemon();
  const path = "/v1/topics/t/events?type=a";
  for (const body of ["nul", "1", "{", "2"]) await daemon.http("POST", path, body);
  await daemon.http("POST", `${path}&expected=7`, "3");
  assert.deepEqual((await daemon.replay("t")).map(({ payload }) => payload), [1, 2]);
  assert.equal((await metricsOf(daemon)).get("evs_events_refused_total"), 3);
});

Deno.test("publish refuses a body of white space alone, also when it is the first", async () => {
  await using daemon = await startDaemon();
  const path = "/v1/topics/t/events?type=a";
  for (const body of ["\n", " ", "1", "\r\n"]) {
    const { status } = await daemon.http("POST", path, body);
    assert.equal(status, body === "1" ? 200 : 422, JSON.stringify(body));
  }
  assert.deepEqual((await daemon.replay("t")).map(({ payload }) => payload), [1]);
});
