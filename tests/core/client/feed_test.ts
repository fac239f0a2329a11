/** Reading events across restarts of the daemon, without a gap or a repeat. */
import assert from "node:assert/strict";
import { openFeed } from "../../../core/client/feed.ts";
import { Client } from "../../../core/client/client.ts";
import { HttpResponse } from "../../../core/client/connection.ts";
import type { ReadQuery, TopicInfo } from "../../../core/protocol/protocol.ts";
import type { Clock } from "../../../core/base/clock.ts";
import { ConnectionLostError, NoDaemonError } from "../../../core/base/errors.ts";
import { toWireLine } from "../../../core/event/event.ts";

const encoder = new TextEncoder();
const decoder = new TextDecoder();
/** The longest pause between two tries, ms. */
const LONGEST_PAUSE_MS = 1000;

function line(seq: number, topic = "t"): string {
  return decoder.decode(toWireLine({
    seq,
    topic,
    id: `i${seq}`,
    type: "x",
    timestamp: 0,
    schemaVersion: "1.0",
    metadata: "{}",
    payload: encoder.encode("{}"),
  }));
}

/** One answer: its pieces, then its end or a break; or no daemon at all. */
type Answer = { pieces: string[]; breaks?: boolean; end?: number } | "no daemon";

/** A daemon that gives the answers in turn and keeps the questions. */
class ScriptedClient extends Client {
  readonly asked: ReadQuery[] = [];
  readonly #answers: Answer[];
  readonly #topics: { name: string; lastSeq: number }[];

  constructor(answers: Answer[], topics: { name: string; lastSeq: number }[] = []) {
    super({ socket: "/nowhere" });
    this.#answers = answers;
    this.#topics = topics;
  }

  override topics(): Promise<TopicInfo[]> {
    return Promise.resolve(this.#topics as TopicInfo[]);
  }

  override read(query: ReadQuery): Promise<HttpResponse> {
    this.asked.push(query);
    const answer = this.#answers.shift();
    if (answer === undefined || answer === "no daemon") {
      return Promise.reject(new NoDaemonError("no daemon"));
    }
    const headers = new Map(answer.end === undefined ? [] : [["evs-end-seq", String(answer.end)]]);
    return Promise.resolve(new HttpResponse({ status: 200, headers }, body(answer)));
  }
}

async function* body(
  answer: { pieces: string[]; breaks?: boolean },
): AsyncGenerator<Uint8Array, void, undefined> {
  for (const piece of answer.pieces) yield await Promise.resolve(encoder.encode(piece));
  if (answer.breaks) throw new ConnectionLostError("gone");
}

/** Time in which every pause is over at once; nobody is silent in it. */
const impatient: Clock = {
  now: () => 0,
  monotonic: () => 0,
  setTimer(callback, ms) {
    let cancelled = ms > LONGEST_PAUSE_MS;
    queueMicrotask(() => {
      if (!cancelled) callback();
    });
    return () => cancelled = true;
  },
};

async function readAll(
  client: ScriptedClient,
  query: ReadQuery & { topic: string[] },
  options: { most?: number } = {},
): Promise<{ text: string; said: string[] }> {
  const said: string[] = [];
  const feed = openFeed(client, { query, clock: impatient, say: (words) => said.push(words) });
  let text = "";
  for await (const block of feed.blocks) {
    assert.equal(block.at(-1), 0x0a, "a block ends with a whole line");
    text += decoder.decode(block);
    if (options.most !== undefined && text.split("\n").length > options.most) break;
  }
  return { text, said };
}

Deno.test("openFeed hands on whole lines whatever the pieces", async () => {
  const text = line(1) + line(2) + line(3);
  for (let size = 1; size < text.length; size += 7) {
    const pieces = [];
    for (let at = 0; at < text.length; at += size) pieces.push(text.slice(at, at + size));
    const read = await readAll(new ScriptedClient([{ pieces }]), { topic: ["t"] });
    assert.equal(read.text, text);
  }
});

Deno.test("openFeed goes on behind the last whole line after a break, up to the same end", async () => {
  const client = new ScriptedClient([
    { pieces: [line(1), line(2) + line(3).slice(0, 20)], breaks: true, end: 4 },
    "no daemon",
    { pieces: [line(3) + line(4)], end: 9 },
  ]);
  const { text, said } = await readAll(client, { topic: ["t"], limit: 10 });
  assert.equal(text, line(1) + line(2) + line(3) + line(4));
  assert.deepEqual(client.asked[1]?.after, ["t:2"]);
  assert.equal(client.asked[2]?.to, "4");
  assert.equal(client.asked[2]?.limit, 8);
  assert.equal(said.length, 2);
});

Deno.test("openFeed follows on behind its start when nothing came before the break", async () => {
  const client = new ScriptedClient([
    { pieces: [], breaks: true, end: 7 },
    { pieces: [line(8)] },
  ]);
  await readAll(client, { topic: ["t"], follow: "1", from: "end" }, { most: 1 });
  assert.deepEqual(client.asked[1]?.after, ["t:7"]);
});

Deno.test("openFeed follows a pattern from where each topic stood, and new topics from their start", async () => {
  const client = new ScriptedClient([
    { pieces: [line(5, "o.b")], breaks: true },
    { pieces: [line(4, "o.a")] },
  ], [{ name: "o.a", lastSeq: 3 }, { name: "o.b", lastSeq: 4 }, { name: "other", lastSeq: 9 }]);
  const query = { topic: ["o.*"], follow: "1", from: "-10" };
  await readAll(client, query, { most: 2 });
  assert.deepEqual(client.asked[1]?.after, ["o.a:3", "o.b:5"]);
  assert.equal(client.asked[1]?.from, "start");
});

Deno.test("openFeed tells a reader once what it missed, when the daemon goes away behind the notice", async () => {
  const notice = (topic: string) =>
    `\x1e{"missed":{"topic":"${topic}","from":5,"to":90,"count":86}}\n`;
  const client = new ScriptedClient([
    { pieces: [notice("a"), line(91, "a"), notice("b")], breaks: true },
    { pieces: [line(92, "a") + line(91, "b")] },
  ]);
  const told: string[] = [];
  const feed = openFeed(client, {
    query: { topic: ["a", "b"], from: "5" },
    clock: impatient,
    say: () => {},
    onMissed: ({ topic, count }) => told.push(`${topic} ${count}`),
  });
  let text = "";
  for await (const block of feed.blocks) text += decoder.decode(block);
  assert.equal(text, line(91, "a") + line(92, "a") + line(91, "b"));
  assert.deepEqual(told, ["a 86", "b 86"]);
  assert.equal(client.asked[0]?.missed, "1");
  assert.deepEqual(client.asked[1]?.after, ["a:91", "b:90"]);
});

Deno.test("openFeed takes a missing daemon at the first request for an error", async () => {
  await assert.rejects(readAll(new ScriptedClient(["no daemon"]), { topic: ["t"] }), NoDaemonError);
});

Deno.test("openFeed asks for heartbeats when it follows, and hands none of them on", async () => {
  const client = new ScriptedClient([
    { pieces: ["\n", line(1).slice(0, 9), line(1).slice(9) + line(2), "\n", "\n", line(3)] },
  ]);
  const { text } = await readAll(client, { topic: ["t"], follow: "1" }, { most: 3 });
  assert.equal(text, line(1) + line(2) + line(3));
  assert.equal(client.asked[0]?.heartbeat, "1s");
  const replayed = new ScriptedClient([{ pieces: [line(1)] }]);
  await readAll(replayed, { topic: ["t"] });
  assert.equal(replayed.asked[0]?.heartbeat, undefined);
});
