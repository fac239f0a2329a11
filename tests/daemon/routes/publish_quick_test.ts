/** Publishes that repeat a head on one connection are stored and answered as if each came alone. */
import assert from "node:assert/strict";
import { startDaemon, type TestDaemon } from "../../helpers/daemon.ts";
import { metricsOf } from "../../helpers/metrics.ts";

const encoder = new TextEncoder();

/** Sends requests on connections of its own. */
class Raw {
  readonly #conn: Deno.Conn;
  #text = "";

  private constructor(conn: Deno.Conn) {
    this.#conn = conn;
  }

  static async to({ socket }: TestDaemon): Promise<Raw> {
    return new Raw(await Deno.connect({ transport: "unix", path: socket }));
  }

  async send(text: string): Promise<void> {
    const bytes = encoder.encode(text);
    for (let at = 0; at < bytes.length;) at += await this.#conn.write(bytes.subarray(at));
  }

  /** The status and the body of the next response. */
  async response(): Promise<{ status: number; body: string }> {
    const next = await this.next();
    assert.ok(next, `the connection has ended: ${this.#text}`);
    return next;
  }

  /** The same; undefined at the end of the connection. */
  async next(): Promise<{ status: number; body: string } | undefined> {
    const bytes = new Uint8Array(65536);
    for (;;) {
      const [, status, length] =
        /^HTTP\/1\.1 (\d+) [^]*?content-length: (\d+)\r\n/.exec(this.#text) ??
          [];
      const begin = this.#text.indexOf("\r\n\r\n") + 4;
      const end = begin + Number(length);
      if (begin >= 4 && this.#text.length >= end) {
        const body = this.#text.slice(begin, end);
        this.#text = this.#text.slice(end);
        return { status: Number(status), body };
      }
      const count = await this.#conn.read(bytes).catch(() => null);
      if (count === null) return undefined;
      this.#text += new TextDecoder().decode(bytes.subarray(0, count));
    }
  }

  [Symbol.dispose](): void {
    this.#conn.close();
  }
}

function post(target: string, body: string, header = ""): string {
  const length = encoder.encode(body).length;
  return `POST ${target} HTTP/1.1\r\nhost: evs\r\n${header}content-length: ${length}\r\n\r\n${body}`;
}

const QUERIES = [
  "type=a",
  "type=b&id=mine",
  "type=c&key=k&expectedKeySeq=1",
  "type=d&ttlMs=3600000",
  'type=e&schemaVersion=7&metadata={"m":1}',
  "type=f&expected=2",
  "type=g&keyPointer=/n",
  "type=h&text=lines",
  "type=checked",
  "line=3",
];
/** Of one length, so that their heads are the same. */
const BODIES = [
  '{"n":1}',
  "[1,2,3]",
  "{wrong}",
  "\n\n2222\n",
  '{"n":4}',
  "       ",
  '"\u00e4text"',
];

/** What is answered, without what differs each time. */
function told({ status, body }: { status: number; body: string }): string {
  const ids = body.replace(/"id":"[^"]{36}"/g, '"id":"own"').replaceAll(/topic-\w+/g, "topic");
  return `${status} ${ids.replace(/"expiresAt":\d+/g, '"expiresAt":"later"')}`;
}

async function stored(daemon: TestDaemon, topic: string): Promise<unknown[]> {
  return (await daemon.replay(topic)).map((event) => ({
    ...event,
    id: String(event.id).length === 36 ? "own" : event.id,
    topic: "any",
    timestamp: "any",
    ...("expiresAt" in event ? { expiresAt: "later" } : {}),
  }));
}

Deno.test("publish answers a head that comes again as it answers one on a connection of its own", async () => {
  await using daemon = await startDaemon();
  const schema = { type: "object", required: ["missing"] };
  const registered = await daemon.http("PUT", "/v1/schemas/checked", schema);
  assert.ok(registered.status < 300, registered.text);
  for (const [i, query] of QUERIES.entries()) {
    const answers: string[][] = [[], []];
    using one = await Raw.to(daemon);
    for (const [round, body] of [...BODIES, ...BODIES].entries()) {
      await one.send(post(`/v1/topics/topic-one${i}/events?${query}`, body));
      const answer = told(await one.response());
      answers[0]!.push(answer);
      using other = await Raw.to(daemon);
      await other.send(post(`/v1/topics/topic-two${i}/events?${query}`, body));
      answers[1]!.push(told(await other.response()));
      assert.equal(answers[0]![round], answers[1]![round], `${query}, ${body}`);
    }
    const topics = await Promise.all(["one", "two"].map((name) => {
      return answers[0]!.some((answer) => answer.startsWith("200"))
        ? stored(daemon, `topic-${name}${i}`)
        : [];
    }));
    assert.deepEqual(topics[0], topics[1], query);
  }
});

Deno.test("publish says the seq 0 of each event that its topic does not store, however often a head comes", async () => {
  await using daemon = await startDaemon();
  await daemon.http("PUT", "/v1/topics/live", { persistent: false });
  using conn = await Raw.to(daemon);
  const seqs: number[] = [];
  for (let n = 0; n < 5; n++) {
    await conn.send(post("/v1/topics/live/events?type=a", "1"));
    const { firstSeq, lastSeq, events: [event] } = JSON.parse((await conn.response()).body);
    seqs.push(firstSeq, lastSeq, event.seq);
  }
  assert.deepEqual(seqs, seqs.map(() => 0));
});

Deno.test("publish counts what it refuses when the head has come before, and the connection goes on", async () => {
  await using daemon = await startDaemon({ config: 'max_event_bytes = "1KiB"\n' });
  using conn = await Raw.to(daemon);
  const statuses: number[] = [];
  const refused = (await metricsOf(daemon)).get("evs_events_refused_total") ?? 0;
  const large = `"${"x".repeat(1022)}"`;
  for (let n = 0; n < 4; n++) {
    await conn.send(post("/v1/topics/t/events?type=a", large));
    statuses.push((await conn.response()).status);
  }
  for (let n = 0; n < 4; n++) {
    await conn.send(post("/v1/topics/t/events?type=a&expected=1", `"${n}"`));
    statuses.push((await conn.response()).status);
  }
  assert.deepEqual(statuses, [413, 413, 413, 413, 409, 409, 409, 409]);
  assert.equal((await metricsOf(daemon)).get("evs_events_refused_total"), refused + 8);
});

Deno.test("publish keeps the order of requests that were sent at once with the same head", async () => {
  await using daemon = await startDaemon();
  using conn = await Raw.to(daemon);
  const payloads = Array.from({ length: 60 }, (_, n) => 100 + n);
  const path = "/v1/topics/t/events?type=a";
  await conn.send(payloads.map((n) => post(path, String(n))).join(""));
  for (const [i] of payloads.entries()) {
    const { status, body } = await conn.response();
    assert.equal(status, 200);
    assert.equal(JSON.parse(body).firstSeq, i + 1);
  }
  assert.deepEqual((await daemon.replay("t")).map(({ payload }) => payload), payloads);
});

Deno.test("publish looks again at a head that has come before when the daemon stops", async () => {
  await using daemon = await startDaemon();
  using conn = await Raw.to(daemon);
  const request = post("/v1/topics/t/events?type=a", "1");
  for (let n = 0; n < 3; n++) {
    await conn.send(request);
    assert.equal((await conn.response()).status, 200);
  }
  // Its body comes later, so the daemon waits for this request while it stops.
  await conn.send(request.slice(0, -1));
  const stopped = daemon.stop();
  while (await exists(daemon.socket)) await new Promise((resolve) => setTimeout(resolve, 1));
  await conn.send("1").catch(() => {}); // it may have closed by now
  const begun = await conn.next();
  await conn.send(request).catch(() => {});
  const stored = begun?.status === 200 ? [begun.body] : [];
  for (let last; (last = await conn.next());) if (last.status === 200) stored.push(last.body);
  await stopped;
  assert.ok(stored.length < 2, `only what had begun is stored: ${stored}`);
});

function exists(path: string): Promise<boolean> {
  return Deno.stat(path).then(() => true, () => false);
}
