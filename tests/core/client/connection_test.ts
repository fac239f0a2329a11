/** One connection: pipelining, aborts, timeouts and a daemon that goes away. */
import assert from "node:assert/strict";
import { Client } from "../../../core/client/client.ts";
import { Connection, type Duplex, splitLines } from "../../../core/client/connection.ts";
import {
  ConnectionLostError,
  NoDaemonError,
  ProtocolMismatchError,
  RemoteError,
} from "../../../core/base/errors.ts";

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** A peer that answers with fixed bytes, in pieces, and keeps what it was sent. */
class FakePeer implements Duplex {
  sent = "";
  closed = false;
  #answers: Uint8Array[];
  #largestWrite: number;

  constructor(answers: string[], options: { largestWrite?: number } = {}) {
    this.#answers = answers.map((answer) => encoder.encode(answer));
    this.#largestWrite = options.largestWrite ?? Infinity;
  }

  read(buffer: Uint8Array): Promise<number | null> {
    const next = this.#answers.shift();
    if (next === undefined) return Promise.resolve(null);
    buffer.set(next);
    return Promise.resolve(next.length);
  }

  write(bytes: Uint8Array): Promise<number> {
    const taken = bytes.subarray(0, this.#largestWrite);
    this.sent += decoder.decode(taken);
    return Promise.resolve(taken.length);
  }

  close(): void {
    this.closed = true;
  }
}

function json(body: string, options: { status?: number; headers?: string } = {}): string {
  return `HTTP/1.1 ${options.status ?? 200} X\r\n${options.headers ?? ""}` +
    `content-length: ${encoder.encode(body).length}\r\n\r\n${body}`;
}

Deno.test("Connection writes a request whole when the socket takes three bytes at a time", async () => {
  const peer = new FakePeer([json(`{"ok":true}`)], { largestWrite: 3 });
  const connection = new Connection(peer);
  const response = await connection.request({ method: "GET", path: "/v1/status" });
  assert.deepEqual(await response.json(), { ok: true });
  assert.equal(peer.sent, "GET /v1/status HTTP/1.1\r\nhost: evs\r\nevs-protocol: 1\r\n\r\n");
  assert.equal(connection.busy, false);
});

Deno.test("Connection matches pipelined answers in the order of the requests", async () => {
  const peer = new FakePeer([json("1") + json("2"), json("3")]);
  const connection = new Connection(peer);
  for (const body of ["a", "b", "c"]) {
    await connection.send({ method: "POST", path: "/", body });
  }
  const got: unknown[] = [];
  for (let i = 0; i < 3; i++) got.push(await (await connection.receive()).json());
  assert.deepEqual(got, [1, 2, 3]);
  assert.equal(connection.busy, false);
});

Deno.test("Connection rejects with ConnectionLostError when the daemon closes without an answer", async () => {
  const connection = new Connection(new FakePeer([]));
  await assert.rejects(connection.request({ method: "GET", path: "/" }), ConnectionLostError);
  assert.equal(connection.closed, true);
});

Deno.test("Connection closes when a body is left before its end", async () => {
  const peer = new FakePeer(["HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhello", "world"]);
  const connection = new Connection(peer);
  const response = await connection.request({ method: "GET", path: "/" });
  for await (const _piece of response.body()) break;
  assert.equal(peer.closed, true);
});

Deno.test("Connection names both numbers when the daemon speaks another protocol", async () => {
  const connection = new Connection(new FakePeer([json("{}", { headers: "evs-protocol: 2\r\n" })]));
  await assert.rejects(
    connection.request({ method: "GET", path: "/" }),
    (error: unknown) =>
      error instanceof ProtocolMismatchError && /protocol 1.*speaks 2/.test(error.message),
  );
});

Deno.test("Connection.open says where it looked when nothing answers", async () => {
  const folder = await Deno.makeTempDir();
  const socket = `${folder}/none.sock`;
  try {
    await assert.rejects(
      Connection.open(socket),
      (error: unknown) =>
        error instanceof NoDaemonError && error.message.includes(socket) &&
        error.hint === "evs daemon start" && error.exit === 5,
    );
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("splitLines gives the same lines whatever the pieces, the last one without a line feed", async () => {
  const text = "one\n\ntwo\nthree";
  for (let size = 1; size <= text.length; size++) {
    const pieces: Uint8Array[] = [];
    for (let at = 0; at < text.length; at += size) {
      pieces.push(encoder.encode(text.slice(at, at + size)));
    }
    const lines: string[] = [];
    for await (const line of splitLines(ReadableStream.from(pieces))) {
      lines.push(decoder.decode(line));
    }
    assert.deepEqual(lines, ["one", "", "two", "three"]);
  }
});

/** A server on a real socket that answers each request with what `answer` says. */
async function withServer(
  answer: (request: string) => string | undefined,
  run: (client: Client) => Promise<void>,
): Promise<void> {
  const folder = await Deno.makeTempDir();
  const socket = `${folder}/s`;
  const listener = Deno.listen({ transport: "unix", path: socket });
  const serving = (async () => {
    for await (const conn of listener) {
      void serve(conn, answer);
    }
  })();
  const client = new Client({ socket });
  try {
    await run(client);
  } finally {
    client.close();
    listener.close();
    await serving;
    await Deno.remove(folder, { recursive: true });
  }
}

async function serve(
  conn: Deno.Conn,
  answer: (request: string) => string | undefined,
): Promise<void> {
  const buffer = new Uint8Array(65536);
  try {
    for (let n = await conn.read(buffer); n !== null; n = await conn.read(buffer)) {
      const reply = answer(decoder.decode(buffer.subarray(0, n)));
      if (reply === undefined) break;
      await conn.write(encoder.encode(reply));
      if (reply.includes("connection: close")) break;
    }
  } finally {
    conn.close();
  }
}

Deno.test("Client turns an error answer into RemoteError with code, hint, details and exit code", async () => {
  const body = JSON.stringify({
    error: {
      code: "topic/not-found",
      message: "no topic uses",
      hint: "evs tail users",
      details: { nearest: ["users"] },
    },
  });
  await withServer(() => json(body, { status: 404 }), async (client) => {
    await assert.rejects(
      client.topic("uses"),
      (error: unknown) =>
        error instanceof RemoteError && error.code === "topic/not-found" && error.exit === 1 &&
        error.hint === "evs tail users" && error.details?.["nearest"] !== undefined,
    );
  });
});

Deno.test("Client asks again when the daemon closed an idle connection, for reads only", async () => {
  let requests = 0;
  let changes = 0;
  await withServer((request) => {
    requests++;
    if (request.startsWith("POST")) changes++;
    if (request.startsWith("GET /v1/first")) return json("1");
    // The second request on the first connection is cut off, the one on a new connection is
    // answered.
    return requests === 2 || request.startsWith("POST") ? undefined : json("2");
  }, async (client) => {
    assert.equal(await client.call({ method: "GET", path: "/v1/first" }), 1);
    assert.equal(await client.call({ method: "GET", path: "/v1/second" }), 2);
    await assert.rejects(
      client.call({ method: "POST", path: "/v1/third", body: "{}" }),
      ConnectionLostError,
    );
  });
  assert.equal(changes, 1, "whether it was carried out is not known");
});

Deno.test("Client asks again when a daemon that stopped left its last reply in an idle connection", async () => {
  const refused = (error: unknown) =>
    json(JSON.stringify({ error }), { status: 507, headers: "connection: close\r\n" });
  const stopping = { code: "daemon/stopping", message: "the daemon is stopping" };
  const asked: string[] = [];
  await withServer((request) => {
    const [, path = ""] = request.split(" ");
    asked.push(path);
    if (path === "/v1/first") return json("1") + refused(stopping);
    if (asked.filter((one) => one === path).length === 1) return undefined;
    return json("2");
  }, async (client) => {
    assert.equal(await client.call({ method: "GET", path: "/v1/first" }), 1);
    assert.equal(await client.call({ method: "GET", path: "/v1/first" }), 1);
    await assert.rejects(
      client.call({ method: "POST", path: "/v1/cut-off", body: "{}" }),
      ConnectionLostError,
    );
    assert.equal(await client.call({ method: "POST", path: "/v1/cut-off", body: "{}" }), 2);
  });
  // Some of it was executed: that is an answer, whole.
  const partly = { ...stopping, details: { count: 3 } };
  await withServer(
    (request) => request.startsWith("GET") ? json("1") : refused(partly),
    async (client) => {
      assert.equal(await client.call({ method: "GET", path: "/v1/first" }), 1);
      const response = await client.fetchAny({ method: "POST", path: "/v1/second", body: "{}" });
      assert.deepEqual([response.status, await response.json()], [507, { error: partly }]);
    },
  );
});

Deno.test("Client opens another connection while one waits, and an abort ends a wait", async () => {
  const waiting = Promise.withResolvers<void>();
  await withServer((request) => {
    if (request.startsWith("GET /v1/quick")) return json("1");
    waiting.resolve();
    return "";
  }, async (client) => {
    const abort = new AbortController();
    const slow = client.call({ method: "GET", path: "/v1/slow" }, { signal: abort.signal });
    await waiting.promise;
    assert.equal(await client.call({ method: "GET", path: "/v1/quick" }), 1);
    abort.abort(new Error("enough"));
    await assert.rejects(slow, /enough/);
  });
});
