/**
 * When a connection is read, how much of it at once, and how long it is kept when it is not: one
 * object with a connection and a clock of the test.
 */
import assert from "node:assert/strict";
import { type Exchange, ServerConnection } from "../../../daemon/http/connection.ts";
import { turn } from "../../../core/base/in_turns.ts";
import { FakeClock, settled } from "../../helpers/fake_clock.ts";
import { head } from "../../helpers/raw_connection.ts";

const MINUTE = 60_000;

/** A client that has sent these pieces. `takes`: it takes answers. `answers`: it gets them at once. */
class Client {
  readonly clock = new FakeClock();
  readonly exchanges: Exchange[] = [];
  readonly server: ServerConnection;
  isClosed = false;
  answers = "";
  readonly #pieces: Uint8Array[];
  readonly #takes: boolean;
  #due = () => {};

  constructor(
    pieces: readonly string[],
    { takes = true, answers = false }: { takes?: boolean; answers?: boolean } = {},
  ) {
    this.#pieces = pieces.map((piece) => new TextEncoder().encode(piece));
    this.#takes = takes;
    this.server = new ServerConnection(this.#conn(), {
      name: "one",
      host: {
        clock: this.clock,
        requested: (_, exchange) => {
          this.exchanges.push(exchange);
          if (answers) void answerWhole(exchange);
        },
        dueChanged: ({ due }) => this.#expireAt(due),
        closed: () => this.isClosed = true,
      },
    });
    void this.server.run();
  }

  /** How many pieces were not read. */
  get left(): number {
    return this.#pieces.length;
  }

  #expireAt(due: number): void {
    this.#due();
    this.#due = this.clock.setTimer(() => {
      if (this.server.due <= this.clock.monotonic()) this.server.expire();
      else if (this.server.due < Infinity) this.#expireAt(this.server.due);
    }, due - this.clock.monotonic());
  }

  #conn(): Deno.Conn {
    const conn = {
      read: (buffer: Uint8Array): Promise<number> => {
        const piece = this.#pieces.shift();
        if (piece === undefined) return new Promise(() => {});
        buffer.set(piece);
        return Promise.resolve(piece.length);
      },
      write: (bytes: Uint8Array): Promise<number> => {
        if (!this.#takes) return new Promise(() => {});
        this.answers += new TextDecoder().decode(bytes);
        return Promise.resolve(bytes.length);
      },
      close() {},
    };
    return conn as unknown as Deno.Conn;
  }
}

function answer({ reply }: Exchange): void {
  reply.send(200, { type: "text/plain", body: "" });
}

/** Takes the whole body before. */
async function answerWhole(exchange: Exchange): Promise<void> {
  const { body } = exchange.request;
  while (!body.isComplete || body.hasPieces) if (!body.take()) await body.arrival();
  answer(exchange);
}

const get = head("GET /");
const put = (body: string) => head("PUT /", `content-length: ${body.length}`) + body;

Deno.test("a connection is read on when a route has taken a body, and not before, whole or not", async () => {
  const client = new Client([put("whole"), put("half").slice(0, -2), "lf", get, get]);
  await settled();
  assert.equal(client.left, 4, "the first body was not taken");
  assert.equal(client.exchanges[0]!.request.body.takeWhole(10)?.length, 5);
  await settled();
  assert.deepEqual([client.exchanges.length, client.left], [2, 3], "nor was half of the second");
  const { body } = client.exchanges[1]!.request;
  for (const piece of ["ha", "lf"]) {
    assert.equal(new TextDecoder().decode(body.take()), piece);
    await settled();
  }
  assert.deepEqual([client.exchanges.length, client.left], [4, 0]);
  client.exchanges.forEach(answer);
  await settled();
  assert.equal(client.answers.match(/200 OK/g)?.length, 4);
});

Deno.test("a connection is read on when a request was answered whose body nobody has taken", async () => {
  const client = new Client([put("whole"), get]);
  await settled();
  assert.equal(client.left, 1);
  answer(client.exchanges[0]!);
  await settled();
  assert.equal(client.exchanges.length, 2);
});

Deno.test("a connection that is neither read nor written to is closed after ten minutes", async () => {
  const client = new Client([put("for a route that never comes to it")]);
  await settled();
  await client.clock.pass(10 * MINUTE - 1);
  assert.equal(client.isClosed, false);
  await client.clock.pass(1);
  assert.equal(client.isClosed, true);
});

Deno.test("a connection whose client takes no answers is kept, however long that is", async () => {
  const client = new Client([get.repeat(64), get], { takes: false });
  await settled();
  client.exchanges.forEach(answer);
  await client.clock.pass(100 * MINUTE);
  assert.deepEqual([client.exchanges.length, client.left, client.isClosed], [64, 1, false]);
});

Deno.test("a connection is not read while the heads of its requests take much memory", async () => {
  // A header of four bytes takes eight times as much.
  const large = head("GET /", "a:\r\n".repeat(900).trimEnd());
  const client = new Client(Array.from({ length: 60 }, () => large));
  await settled();
  const { length } = client.exchanges;
  assert.ok(2 < length && length < 16, `${length} are held`);
  for (let n = 0; n < client.exchanges.length; n++) {
    answer(client.exchanges[n]!);
    await turn();
    await settled();
  }
  assert.deepEqual([client.exchanges.length, client.left], [60, 0]);
  assert.equal(client.answers.match(/200 OK/g)?.length, 60);
});

Deno.test("a request of more than 1000 headers is refused in words", async () => {
  const pieces = (count: number) =>
    head("GET /", "a:\r\n".repeat(count).trimEnd()).match(/[^]{1,4096}/g)!;
  const most = new Client(pieces(999)); // and the host
  await settled();
  assert.equal(most.exchanges.length, 1);
  const more = new Client(pieces(1000));
  await settled();
  assert.equal(more.exchanges.length, 0);
  assert.match(more.answers, /^HTTP\/1.1 431 [^]*a request has at most 1000 headers/);
  assert.equal(more.isClosed, true);
});

Deno.test("others have their turn while a client sends requests without end", async () => {
  const client = new Client(Array.from({ length: 1000 }, () => get), { answers: true });
  await turn();
  assert.ok(client.left > 500, `${1000 - client.left} requests were read in one turn`);
  while (client.left > 0) await turn();
  await settled();
  assert.equal(client.answers.match(/200 OK/g)?.length, 1000);
});

Deno.test("others have their turn while a client sends a large body", async () => {
  const piece = "x".repeat(4096);
  const upload = head("PUT /", `content-length: ${256 * piece.length}`);
  const client = new Client([upload, ...Array.from({ length: 256 }, () => piece)], {
    answers: true,
  });
  await turn();
  assert.ok(client.left > 200, `${257 - client.left} pieces were read in one turn`);
  while (client.left > 0) await turn();
  await settled();
  assert.match(client.answers, /200 OK/);
});
