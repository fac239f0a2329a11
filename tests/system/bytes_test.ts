/**
 * Contract row 11: payloads are kept byte for byte, across a restart; invalid JSON is rejected with
 * its line number.
 */
import assert from "node:assert/strict";
import fc from "../packages/fast_check.ts";
import { Client } from "../../core/client/client.ts";
import type { PublishReply } from "../../core/protocol/protocol.ts";
import { newDaemon, startDaemon, type TestDaemon } from "../helpers/daemon.ts";
import { dose } from "../helpers/dose.ts";
import { STORES } from "../helpers/stores.ts";
import { evs } from "../helpers/evs.ts";
import { CORPUS, jsonText } from "../helpers/json_text.ts";

/** For each store. */
const CASES = dose(500);
const encoder = new TextEncoder();

/**
 * The payload of a wire line: what is behind the last member's name. Metadata is `{}` here, so that
 * is the first.
 */
function payloadOf(line: string): string {
  const mark = '"metadata":{},"payload":';
  return line.slice(line.indexOf(mark) + mark.length, -1);
}

async function storedPayloads(daemon: TestDaemon, topic: string): Promise<string[]> {
  const { text } = await daemon.http("GET", `/v1/topics/${topic}/events`);
  return text.split("\n").slice(0, -1).map(payloadOf);
}

async function publishLines(
  daemon: TestDaemon,
  path: string,
  body: string | Uint8Array,
): Promise<{ status: number; reply: PublishReply }> {
  const answer = await daemon.http("POST", path, body, { "content-type": "application/x-ndjson" });
  return { status: answer.status, reply: answer.json };
}

/** Publishes the payloads in every way that there is; each way has a topic. */
async function publishEveryWay(daemon: TestDaemon, payloads: readonly string[]): Promise<string[]> {
  const envelopes = payloads.map((payload) => `{"type":"x","payload":${payload}}`);
  const lines = await publishLines(daemon, "/v1/topics/lines/events?type=x", payloads.join("\n"));
  assert.equal(lines.reply.count, payloads.length, JSON.stringify(lines.reply.error));
  const enveloped = await publishLines(
    daemon,
    "/v1/topics/envelopes/events",
    `${envelopes.join("\r\n")}\r\n`,
  );
  assert.equal(enveloped.reply.count, payloads.length, JSON.stringify(enveloped.reply.error));
  const array = await daemon.http("POST", "/v1/topics/array/events", `[${envelopes.join(",")}]`, {
    "content-type": "application/json",
  });
  assert.equal(array.json.count, payloads.length, array.text);
  return ["lines", "envelopes", "array"];
}

for (const store of STORES) {
  Deno.test(`payloads come back byte for byte, ${CASES} of them and the corpus, across restarts (${store})`, async () => {
    await using daemon = await newDaemon({ store });
    await daemon.start();
    const seed = Number(Deno.env.get("EVS_SEED") ?? Date.now() % 2 ** 31);
    const payloads = [...CORPUS, ...fc.sample(jsonText, { numRuns: CASES, seed })];
    const topics = await publishEveryWay(daemon, payloads);
    const single = CORPUS.filter((text) => text.length < 10_000);
    using client = new Client({ socket: daemon.socket });
    for (const text of single) await client.publish("single", text, { query: { type: "x" } });

    for (const restart of ["none", "SIGTERM", "SIGKILL"] as const) {
      if (restart !== "none") {
        await daemon.kill(restart);
        await daemon.start();
      }
      for (const topic of topics) {
        const stored = await storedPayloads(daemon, topic);
        assert.equal(stored.length, payloads.length);
        stored.forEach((text, i) =>
          assert.equal(text, payloads[i], `${topic}, seed ${seed}, after ${restart}`)
        );
      }
      assert.deepEqual(await storedPayloads(daemon, "single"), single);
    }
  });

  Deno.test(`payloads survive replay | publish --envelope with their ids (${store})`, async () => {
    await using daemon = await startDaemon({ store });
    const payloads = [...CORPUS, ...fc.sample(jsonText, dose(100))];
    const stdin = `${payloads.join("\n")}\n`;
    const published = await evs(["publish", "from", "x", "--ndjson"], { at: daemon, stdin });
    assert.equal(published.code, 0, published.stderr);
    const lines = await evs(["replay", "from"], { at: daemon });
    const copied = await evs(["publish", "to", "--envelope"], { at: daemon, stdin: lines.stdout });
    assert.equal(copied.code, 0, copied.stderr);
    assert.deepEqual(await storedPayloads(daemon, "to"), payloads);
    const again = await evs(["replay", "to"], { at: daemon });
    assert.equal(again.stdout.replaceAll('"topic":"to"', '"topic":"from"'), lines.stdout);
  });
}

/** What must be refused, and with which code. */
const REFUSED: [string, Uint8Array][] = [
  ["event/invalid-utf8", Uint8Array.of(0x22, 0xff, 0x22)],
  ["event/invalid-utf8", Uint8Array.of(0x22, 0xc0, 0x80, 0x22)], // an overlong NUL
  ["event/invalid-utf8", Uint8Array.of(0x22, 0xed, 0xa0, 0x80, 0x22)], // a surrogate as bytes
  ["event/invalid-utf8", Uint8Array.of(0x22, 0xe2, 0x82, 0x22)], // a character cut short
  ["event/invalid-json", encoder.encode("{'a':1}")],
  ["event/invalid-json", encoder.encode('{"a":1')],
  ["event/invalid-json", encoder.encode("01")],
  ["event/invalid-json", encoder.encode("1 2")],
  ["event/invalid-json", encoder.encode('"\u0001"')],
  ["event/invalid-json", encoder.encode("NaN")],
  ["event/invalid-json", encoder.encode("\ufeff1")],
  ["event/too-deep", encoder.encode("[".repeat(65) + "]".repeat(65))],
  ["event/too-deep", encoder.encode('{"a":'.repeat(65) + "1" + "}".repeat(65))],
];

Deno.test("a refused line is named, and the lines before and after it are not lost", async () => {
  await using daemon = await newDaemon();
  await daemon.start();
  // Valid and refused lines in turn, so that every refused one has a neighbour on both sides.
  const pieces: Uint8Array[] = [encoder.encode("0\n")];
  REFUSED.forEach(([, bytes], i) => pieces.push(bytes, encoder.encode(`\n${i + 1}\n`)));
  const body = new Uint8Array(await new Blob(pieces as BlobPart[]).arrayBuffer());
  const { reply } = await publishLines(
    daemon,
    "/v1/topics/mixed/events?type=x&onError=skip",
    body,
  );
  assert.deepEqual(
    reply.refused.map(({ line, code }) => [line, code]),
    REFUSED.map(([code], i) => [2 * i + 2, code]),
  );
  await daemon.kill();
  await daemon.start();
  assert.deepEqual(
    await storedPayloads(daemon, "mixed"),
    Array.from({ length: REFUSED.length + 1 }, (_, i) => String(i)),
  );
});

Deno.test("a refused line stops the stream behind the lines before it", async () => {
  await using daemon = await startDaemon();
  for (const [index, [code, bytes]] of REFUSED.entries()) {
    const topic = `stop${index}`;
    const body = new Uint8Array(
      await new Blob(["1\n2\n", bytes as BlobPart, "\n4\n"]).arrayBuffer(),
    );
    const { status, reply } = await publishLines(daemon, `/v1/topics/${topic}/events?type=x`, body);
    assert.deepEqual([status, reply.count, reply.refused[0]?.line], [422, 2, 3]);
    assert.equal(reply.refused[0]?.code, code);
    assert.deepEqual(await storedPayloads(daemon, topic), ["1", "2"]);
  }
});
