/**
 * What the daemon's server takes for a request, `node:http` takes for the same one: generated
 * streams of bytes go to both. The daemon may stop earlier, because it refuses more; it never goes
 * on longer, and never sees another request, body or header. However a stream is cut into pieces,
 * it sees the same.
 */
import assert from "node:assert/strict";
import http from "node:http";
import net from "node:net";
import fc from "../packages/fast_check.ts";
import { systemClock } from "../../core/base/clock.ts";
import { type Exchange, ServerConnection } from "../../daemon/http/connection.ts";
import { turn } from "../../core/base/in_turns.ts";
import { dose } from "../helpers/dose.ts";
import { inFolder } from "../helpers/start.ts";
import { cases, fuzz } from "./fuzz.ts";
import { faultyStream, type HttpStream, validStream } from "./http_streams.ts";

/** Turns of the event loop in which `node:http` tells of what it has read. */
const TURNS = 4;

const file = "http_differential_test.ts";

/** A request as a server saw it, whole. */
interface Seen {
  method: string;
  url: string;
  headers: [name: string, value: string][];
  body: string;
}

function bytesOf(text: string): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(text, (char) => char.charCodeAt(0));
}

function textOf(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => String.fromCharCode(byte)).join("");
}

/** A connection that delivers these pieces, one a read, and then ends. */
function connectionOf(pieces: Uint8Array[]): { conn: Deno.Conn; answer(): string } {
  const written: string[] = [];
  let rest: Uint8Array | undefined;
  const conn = {
    read(buffer: Uint8Array): Promise<number | null> {
      rest ??= pieces.shift();
      if (rest === undefined) return Promise.resolve(null);
      const length = Math.min(buffer.length, rest.length);
      buffer.set(rest.subarray(0, length));
      rest = length < rest.length ? rest.subarray(length) : undefined;
      return Promise.resolve(length);
    },
    write(bytes: Uint8Array): Promise<number> {
      written.push(textOf(bytes));
      return Promise.resolve(bytes.length);
    },
    close() {},
  } as unknown as Deno.Conn;
  return { conn, answer: () => written.join("") };
}

/** What the daemon's server sees of it, and what it answers. */
async function ours(pieces: Uint8Array[]): Promise<{ seen: Seen[]; answer: string }> {
  const seen: (Seen | undefined)[] = [];
  const { conn, answer } = connectionOf(pieces);
  const closed = Promise.withResolvers<void>();
  const connection = new ServerConnection(conn, {
    name: "one",
    host: {
      clock: systemClock,
      requested: (_, exchange) => void see(exchange, seen),
      dueChanged() {},
      closed: () => closed.resolve(),
    },
  });
  await connection.run();
  await closed.promise;
  return { seen: seen.filter((one) => one !== undefined), answer: answer() };
}

async function see({ request, reply }: Exchange, seen: (Seen | undefined)[]): Promise<void> {
  const place = seen.push(undefined) - 1;
  // The body of a GET has no meaning, and is passed over.
  const isRead = request.method !== "GET" && request.method !== "HEAD";
  let body = "";
  try {
    while (!request.body.isComplete || request.body.hasPieces) {
      const piece = request.body.take();
      if (piece === undefined) await request.body.arrival();
      else body += textOf(piece);
    }
  } catch {
    return reply.giveUp(); // it was cut off, or is none
  }
  if (request.method === "CONNECT") return reply.giveUp();
  const headers = Object.entries(request.headers());
  const { method, url } = request;
  seen[place] = { method, url, headers, body: isRead ? body : "" };
  reply.send(200, { type: "text/plain", body: "" });
}

/** `node:http`, which sees one stream at a time. */
class NodeServer {
  readonly #server: http.Server;
  readonly #path: string;
  #seen: Seen[] = [];
  #socket: net.Socket | undefined;
  #closed = Promise.withResolvers<void>();

  private constructor(path: string) {
    this.#path = path;
    const handle = (request: http.IncomingMessage, response: http.ServerResponse) => {
      let body = "";
      const isRead = request.method !== "GET" && request.method !== "HEAD";
      request.on("data", (piece: Uint8Array) => body += textOf(piece));
      request.on("error", () => {});
      request.on("end", () => {
        if (!request.complete) return;
        const { method = "", url = "", rawHeaders } = request;
        const headers = joined(rawHeaders);
        this.#seen.push({ method, url, headers, body: isRead ? body : "" });
        response.end();
      });
    };
    this.#server = http.createServer(
      { maxHeaderSize: 256 * 1024, requireHostHeader: false },
      handle,
    );
    this.#server.on("checkExpectation", handle);
    // What came before it is told first.
    const end = async (socket: { destroy(): void }) => {
      for (let turns = 0; turns < TURNS; turns++) await turn();
      socket.destroy();
    };
    this.#server.on("clientError", (_, socket) => void end(socket));
    this.#server.on("connect", (_, socket) => void end(socket));
    this.#server.on("connection", (socket: net.Socket) => {
      this.#socket = socket;
      socket.on("close", () => this.#closed.resolve());
    });
  }

  static async start(path: string): Promise<NodeServer> {
    const server = new NodeServer(path);
    await new Promise<void>((resolve) => server.#server.listen({ path }, resolve));
    return server;
  }

  async see(bytes: Uint8Array): Promise<Seen[]> {
    this.#seen = [];
    this.#socket = undefined;
    this.#closed = Promise.withResolvers();
    const socket = net.connect({ path: this.#path });
    socket.on("error", () => {}); // it was closed before all was sent
    socket.resume();
    socket.write(bytes);
    // It forgets what it has not told yet when its client ends: first it must have told all.
    const isRead = () => (this.#socket?.bytesRead ?? 0) >= bytes.length || this.#socket?.destroyed;
    for (let turns = 0; turns < TURNS; turns += isRead() ? 1 : 0) await turn();
    socket.end();
    await this.#closed.promise;
    socket.destroy();
    return this.#seen;
  }

  [Symbol.dispose](): void {
    this.#server.close();
  }
}

function joined(raw: readonly string[]): Seen["headers"] {
  const headers = new Map<string, string>();
  for (let i = 0; i < raw.length; i += 2) {
    const name = raw[i]!.toLowerCase();
    const before = headers.get(name);
    headers.set(name, before === undefined ? raw[i + 1]! : `${before}, ${raw[i + 1]}`);
  }
  return [...headers];
}

const stream: fc.Arbitrary<HttpStream> = fc.oneof(
  { weight: 1, arbitrary: validStream },
  { weight: 3, arbitrary: faultyStream },
);

const TAB_BEHIND = /^(?:content-length|transfer-encoding):[^\r\n]*\t/im;

/** Where `node:http` stops earlier, and why the daemon does not. */
const EXPLAINED: [why: string, pattern: RegExp][] = [
  ["there is no such header (RFC 9110, B)", /^proxy-connection:/im],
  ["who does not take an upgrade goes on with HTTP/1.1 (RFC 9110, 7.8)", /^upgrade:/im],
  ["a tab behind a length or a coding is white space (RFC 9110, 5.6.3)", TAB_BEHIND],
];

Deno.test("the server sees of any stream what node:http sees of it, or less", async () => {
  await inFolder(async (folder) => {
    using node = await NodeServer.start(`${folder}/node.sock`);
    const counts = { same: 0, less: 0 };
    await fuzz(
      fc.asyncProperty(stream, async ({ text, isValid }) => {
        const theirs = await node.see(bytesOf(text));
        const { seen, answer } = await ours([bytesOf(text)]);
        const isExplained = EXPLAINED.some(([, pattern]) => pattern.test(text));
        if (isExplained && theirs.length < seen.length) {
          assert.deepEqual(seen.slice(0, theirs.length), theirs);
          return;
        }
        assert.deepEqual(seen, theirs.slice(0, seen.length), answer);
        if (isValid) assert.equal(seen.length, theirs.length, answer);
        if (seen.length === theirs.length) return void counts.same++;
        counts.less++;
        assert.match(answer, /^HTTP\/1\.1 400 |^connection: close\r$/m, "it says that it stops");
      }),
      { numRuns: cases(2000), file },
    );
    assert.ok(counts.same > counts.less, JSON.stringify(counts));
  });
});

Deno.test("the server sees the same of a stream wherever it is cut", async () => {
  await fuzz(
    fc.asyncProperty(stream, async ({ text }) => {
      const bytes = bytesOf(text);
      const { seen, answer } = await ours([bytes]);
      for (let at = 1; at < bytes.length; at++) {
        const cut = await ours([bytes.slice(0, at), bytes.slice(at)]);
        assert.deepEqual(cut.seen, seen, `cut at ${at}`);
        assert.deepEqual(statuses(cut.answer), statuses(answer), `cut at ${at}`);
      }
      const single = await ours(Array.from(bytes, (byte) => Uint8Array.of(byte)));
      assert.deepEqual(single.seen, seen, "cut everywhere");
    }),
    { numRuns: dose(50, 1000), file },
  );
});

function statuses(answer: string): string[] {
  return [...answer.matchAll(/^HTTP\/1\.1 (\d{3}) /gm)].map(([, status]) => status!)
    .filter((status) => status !== "100");
}
