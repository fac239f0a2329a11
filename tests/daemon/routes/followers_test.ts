/**
 * Followers of a topic share what is sent of each commit. Each of them still gets, byte for byte,
 * what a replay with the same query has, and one that does not read holds up no other.
 */
import assert from "node:assert/strict";
import { startDaemon, type TestDaemon } from "../../helpers/daemon.ts";
import { head, RawConnection } from "../../helpers/raw_connection.ts";

const SSE = { accept: "text/event-stream" };
const CLOUD = { accept: "application/cloudevents+ndjson" };

/** A query, with its headers. */
type Following = [query: string, headers?: Record<string, string>];

const FOLLOWINGS: Following[] = [
  [""],
  ["&type=a"],
  ["&type=b"],
  ["&type=b&type=a"],
  ["&where=payload.n%20%25%203%20%3D%3D%200"],
  ["&where=payload.n%20%25%203%20%3D%3D%201"],
  ["&type=a&where=payload.n%20%25%203%20%3D%3D%201"],
  ["", SSE],
  ["&type=a", SSE],
  ["&where=payload.n%20%25%203%20%3D%3D%200", SSE],
  ["", CLOUD],
  ["&type=b", CLOUD],
  ["&limit=7"],
  ["&limit=7&type=b", SSE],
];

/** A follower, and all that it has read. */
class Follower {
  text = "";
  hasEnded = false;
  readonly #body: ReadableStreamDefaultReader<string>;

  private constructor(body: ReadableStream<Uint8Array<ArrayBuffer>>) {
    this.#body = body.pipeThrough(new TextDecoderStream()).getReader();
  }

  static async open(client: Deno.HttpClient, [query, headers]: Following): Promise<Follower> {
    const url = `http://localhost/v1/events?topic=t&follow=1&from=start${query}`;
    const answer = await fetch(url, { client, ...(headers ? { headers } : {}) });
    assert.equal(answer.status, 200);
    return new Follower(answer.body!);
  }

  /** Reads until it is closed, or the response ends. */
  async read(): Promise<void> {
    for (let next = await this.#body.read(); !next.done; next = await this.#body.read()) {
      this.text += next.value.replaceAll(/^:\n\n/gm, "");
    }
    this.hasEnded = true;
  }

  async close(): Promise<void> {
    await this.#body.cancel();
  }
}

async function publish(daemon: TestDaemon): Promise<void> {
  let n = 0;
  for (const sizes of [[1], [2, 3, 4], [40_000], [5], [6], [90_000, 7], [8], [9, 300, 11]]) {
    for (const type of ["a", "b"]) {
      const payloads = sizes.map((size) => ({ n: n++, text: "x".repeat(size) }));
      await daemon.publish("t", type, ...payloads);
    }
  }
}

/**
 * Whether it comes about before so many requests are answered, one after the other: a busy machine
 * holds up these as well.
 */
async function comes(
  daemon: TestDaemon,
  { before, condition }: { before: number; condition: () => boolean },
): Promise<boolean> {
  for (let n = 0; n < before && !condition(); n++) await daemon.http("GET", "/v1/health");
  return condition();
}

for (const store of ["file", "sqlite"]) {
  Deno.test(`daemon sends each follower what a replay with its query has, ${store}`, async () => {
    await using daemon = await startDaemon({ store });
    const client = Deno.createHttpClient({
      proxy: { transport: "unix", path: daemon.socket },
      poolMaxIdlePerHost: 0,
    });
    const stopped = await RawConnection.open(daemon.socket);
    await stopped.send(head("GET /v1/events?topic=t&follow=1&from=start"));
    const twice = [...FOLLOWINGS, ...FOLLOWINGS];
    const followers = await Promise.all(twice.map((one) => Follower.open(client, one)));
    const slow = await Follower.open(client, [""]);
    for (const follower of followers) void follower.read();
    await publish(daemon);
    void slow.read();
    const all = [...followers, slow];
    try {
      for (const [i, follower] of all.entries()) {
        const [query, headers] = twice[i] ?? [""];
        const path = `/v1/events?topic=t&from=start${query}`;
        const wanted = (await daemon.http("GET", path, undefined, headers)).text;
        const hasAll = () => follower.hasEnded || follower.text.length >= wanted.length;
        await comes(daemon, { before: 2000, condition: hasAll });
        assert.equal(follower.text, wanted, `follower ${i}: ${query}`);
        if (query.includes("limit")) {
          const ends = await comes(daemon, { before: 100, condition: () => follower.hasEnded });
          assert.ok(ends, `follower ${i} ends`);
        }
      }
    } finally {
      for (const follower of all) await follower.close();
      stopped.close();
      client.close();
    }
  });
}
