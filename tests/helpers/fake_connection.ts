/**
 * A socket without a system: its client sends what the test says, and takes answers or not. With it
 * go one connection of a server, or all that it has, by a clock of the test.
 */
import { type Exchange, ServerConnection } from "../../daemon/http/connection.ts";
import { Connections } from "../../daemon/http/connections.ts";
import { FakeClock, settled } from "./fake_clock.ts";

/** The most bytes of one piece: what a connection reads at once between requests. */
const LARGEST_PIECE = 4096;

/** One side of a socket. */
export class FakeSocket {
  /** What the other side got. */
  answers = "";
  isClosed = false;
  readonly #pieces: Uint8Array[] = [];
  readonly #takes: boolean;
  #reader: ((piece: Uint8Array) => void) | undefined;

  /** `takes`: its client takes answers. */
  constructor({ takes = true }: { takes?: boolean } = {}) {
    this.#takes = takes;
  }

  /** How many pieces were not read. */
  get left(): number {
    return this.#pieces.length;
  }

  /** The client sends one piece. */
  send(piece: string): void {
    const bytes = new TextEncoder().encode(piece);
    if (bytes.length > LARGEST_PIECE) throw new RangeError(`a piece of ${bytes.length} bytes`);
    const reader = this.#reader;
    this.#reader = undefined;
    if (reader) reader(bytes);
    else this.#pieces.push(bytes);
  }

  /** The same as the server sees it. */
  get conn(): Deno.Conn {
    const conn = {
      read: async (buffer: Uint8Array): Promise<number> => {
        const piece = this.#pieces.shift() ?? await this.#next();
        buffer.set(piece);
        return piece.length;
      },
      write: (bytes: Uint8Array): Promise<number> => {
        if (!this.#takes) return new Promise(() => {});
        this.answers += new TextDecoder().decode(bytes);
        return Promise.resolve(bytes.length);
      },
      close: () => {
        this.isClosed = true;
      },
    };
    return conn as unknown as Deno.Conn;
  }

  #next(): Promise<Uint8Array> {
    const { promise, resolve } = Promise.withResolvers<Uint8Array>();
    this.#reader = resolve;
    return promise;
  }
}

/** A client that has sent these pieces. `answers`: it gets answers at once. */
export class FakeClient {
  readonly clock = new FakeClock();
  readonly exchanges: Exchange[] = [];
  readonly server: ServerConnection;
  readonly socket: FakeSocket;
  isClosed = false;
  #due = () => {};

  constructor(
    pieces: readonly string[],
    { takes, answers = false }: { takes?: boolean; answers?: boolean } = {},
  ) {
    this.socket = new FakeSocket({ takes });
    for (const piece of pieces) this.socket.send(piece);
    this.server = new ServerConnection(this.socket.conn, {
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
    return this.socket.left;
  }

  get answers(): string {
    return this.socket.answers;
  }

  #expireAt(due: number): void {
    this.#due();
    this.#due = this.clock.setTimer(() => {
      if (this.server.due <= this.clock.monotonic()) this.server.expire();
      else if (this.server.due < Infinity) this.#expireAt(this.server.due);
    }, due - this.clock.monotonic());
  }
}

/** Answers a request with nothing. */
export function answer({ reply }: Exchange): void {
  reply.send(200, { type: "text/plain", body: "" });
}

/** Takes the whole body before. */
export async function answerWhole(exchange: Exchange): Promise<void> {
  const { body } = exchange.request;
  while (!body.isComplete || body.hasPieces) if (!body.take()) await body.arrival();
  answer(exchange);
}

/** All connections of a server whose requests the test answers. */
export function serving({ limit = 10 } = {}) {
  const clock = new FakeClock();
  const exchanges: Exchange[] = [];
  const counts = { refused: 0 };
  const connections = new Connections({
    requested: (_, exchange) => void exchanges.push(exchange),
    closed() {},
    refused: () => void counts.refused++,
    failed(error) {
      throw error;
    },
  }, { clock });
  connections.limit = limit;
  /** One more client, which has sent these pieces. */
  const connect = async (...pieces: string[]) => {
    const socket = new FakeSocket();
    for (const piece of pieces) socket.send(piece);
    connections.admit(socket.conn);
    await settled();
    return socket;
  };
  return { clock, exchanges, counts, connections, connect };
}
