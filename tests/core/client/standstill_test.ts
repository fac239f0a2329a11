/** A client that stood still gives up no daemon before it has heard it. */
import assert from "node:assert/strict";
import { Client } from "../../../core/client/client.ts";
import { DaemonAddress } from "../../../core/client/daemon_address.ts";
import { openFeed } from "../../../core/client/feed.ts";
import { HttpResponse } from "../../../core/client/connection.ts";
import { ConnectionLostError, NoDaemonError } from "../../../core/base/errors.ts";
import type { Clock } from "../../../core/base/clock.ts";
import type { Paths } from "../../../core/protocol/paths.ts";
import { FakeClock } from "../../helpers/fake_clock.ts";
import { inFolder } from "../../helpers/start.ts";

const encoder = new TextEncoder();
const decoder = new TextDecoder();
const OK = encoder.encode("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}");
const MINUTE = 60_000;

/** A daemon that answers a request when it is told to. */
class Answering implements AsyncDisposable {
  readonly #listener: Deno.UnixListener;
  readonly #connections: Deno.UnixConn[] = [];
  readonly #asked = new Map<string, PromiseWithResolvers<Deno.UnixConn>>();

  constructor(socket: string) {
    this.#listener = Deno.listen({ transport: "unix", path: socket });
    void this.#accept();
  }

  async #accept(): Promise<void> {
    for await (const connection of this.#listener) {
      this.#connections.push(connection);
      void this.#read(connection);
    }
  }

  async #read(connection: Deno.UnixConn): Promise<void> {
    const buffer = new Uint8Array(4096);
    const count = await connection.read(buffer).catch(() => null);
    if (count === null) return;
    const [, path] = decoder.decode(buffer.subarray(0, count)).split(" ");
    this.#promise(path!).resolve(connection);
  }

  #promise(path: string): PromiseWithResolvers<Deno.UnixConn> {
    const there = this.#asked.get(path) ?? Promise.withResolvers<Deno.UnixConn>();
    this.#asked.set(path, there);
    return there;
  }

  /** The connection on which a path was asked for. */
  asked(path: string): Promise<Deno.UnixConn> {
    return this.#promise(path).promise;
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.#listener.close();
    for (const connection of this.#connections) connection.close();
    return Promise.resolve();
  }
}

function pathsIn(folder: string): Paths {
  const socket = `${folder}/evs.sock`;
  return { dataDir: `${folder}/data`, socket, config: `${folder}/config.toml`, chosen: "socket" };
}

Deno.test("DaemonAddress takes the answer of a daemon that it asked before it stood still", () =>
  inFolder(async (folder) => {
    const clock = new FakeClock();
    const paths = pathsIn(folder);
    await using daemon = new Answering(paths.socket);
    using client = new Client({ socket: new DaemonAddress({ paths, clock, watch: true }) });
    const status = client.fetch({ method: "GET", path: "/v1/status" });
    const connection = await daemon.asked("/v1/status");
    await clock.pass(1000);
    const inquiry = await daemon.asked("/v1/health");
    // The answer is in the socket when the timers fire that are due.
    await inquiry.write(OK);
    clock.stand(MINUTE);
    await clock.pass(0);
    await connection.write(OK);
    assert.equal((await status).status, 200);
  }));

Deno.test("DaemonAddress gives a daemon that is away the time that it would have had", () =>
  inFolder(async (folder) => {
    const clock = new FakeClock();
    const paths = pathsIn(folder);
    const address = new DaemonAddress({ paths, clock, waitMs: 5000, watch: false });
    let failed = false;
    const connecting = address.connect();
    connecting.catch(() => failed = true);
    // It is loaded and tries; then it stands still, twice.
    for (let n = 0; n < 2; n++) {
      while (clock.timers === 0) await new Promise((resolve) => setTimeout(resolve, 1));
      clock.stand(MINUTE);
      await clock.pass(0);
      await new Promise((resolve) => setTimeout(resolve, 20));
      assert.equal(failed, false);
    }
    await using _daemon = new Answering(paths.socket);
    while (clock.timers === 0) await new Promise((resolve) => setTimeout(resolve, 1));
    await clock.pass(200);
    (await connecting).close();
  }));

/** Every wait of it is a standstill of a minute. */
function standingClock(): Clock {
  let mono = 0;
  return {
    now: () => mono,
    monotonic: () => mono,
    setTimer(callback) {
      let cancelled = false;
      queueMicrotask(() => {
        mono += MINUTE;
        if (!cancelled) callback();
      });
      return () => cancelled = true;
    },
  };
}

/** A daemon that goes away after the first line, and for some tries. */
class Away extends Client {
  tries = 0;
  readonly #away: number;

  constructor(away: number) {
    super({ socket: "/nowhere" });
    this.#away = away;
  }

  override read(): Promise<HttpResponse> {
    const isFirst = this.tries++ === 0;
    if (!isFirst && this.tries <= this.#away) return Promise.reject(new NoDaemonError("nobody"));
    const line = (seq: number) => `{"seq":${seq},"id":"i${seq}","type":"x","topic":"t"}\n`;
    async function* body(): AsyncGenerator<Uint8Array, void, undefined> {
      yield await Promise.resolve(encoder.encode(line(isFirst ? 1 : 2)));
      if (isFirst) throw new ConnectionLostError("gone");
    }
    return Promise.resolve(new HttpResponse({ status: 200, headers: new Map() }, body()));
  }
}

Deno.test("openFeed waits on for its daemon after standstills, and not for ever", async () => {
  const read = async (client: Client) => {
    let text = "";
    const feed = openFeed(client, {
      query: { topic: ["t"] },
      clock: standingClock(),
      say: () => {},
    });
    for await (const block of feed.blocks) text += decoder.decode(block);
    return text.split("\n").filter(Boolean).map((one) => JSON.parse(one).seq);
  };
  assert.deepEqual(await read(new Away(5)), [1, 2]);
  const gone = new Away(Infinity);
  await assert.rejects(read(gone), NoDaemonError);
  assert.ok(gone.tries < 20, String(gone.tries));
});
