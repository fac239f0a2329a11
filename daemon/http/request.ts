/** A request as the routes know it: its head, and its body as it arrives. */
import type { RequestHead } from "./request_head.ts";

/** What a body needs of its connection. */
export interface BodySource {
  /** A route waits for more of it. */
  wanted(): void;
  /** All that has arrived of it was taken. */
  taken(): void;
}

/** The body of a request. */
export class RequestBody {
  /** All of it has arrived; some of it may not have been taken yet. */
  isComplete = false;
  readonly #source: BodySource;
  readonly #pieces: Uint8Array<ArrayBuffer>[] = [];
  /** The first piece is a view of the buffer that the connection reads into. */
  #isLent = false;
  #failure: unknown;
  #wait: PromiseWithResolvers<void> | undefined;

  constructor(source: BodySource) {
    this.#source = source;
  }

  /** Something has arrived and was not taken yet. */
  get hasPieces(): boolean {
    return this.#pieces.length > 0;
  }

  /** Takes all of it if it has arrived in one piece of at most so many bytes, as small ones do. */
  takeWhole(most: number): Uint8Array<ArrayBuffer> | undefined {
    const isOne = this.isComplete && this.#pieces.length === 1;
    return isOne && this.#pieces[0]!.length <= most ? this.take() : undefined;
  }

  /**
   * All of it if it has arrived in one piece of at most so many bytes. It stays there until it is
   * {@link drop}ped, and must not be used after that.
   */
  peekWhole(most: number): Uint8Array<ArrayBuffer> | undefined {
    const isOne = this.isComplete && this.#pieces.length === 1;
    return isOne && this.#pieces[0]!.length <= most ? this.#pieces[0] : undefined;
  }

  /** Takes what was looked at by {@link peekWhole}. */
  drop(): void {
    this.#isLent = false;
    this.#pieces.length = 0;
    this.#source.taken();
  }

  /** Takes a piece that has arrived. Throws if the rest will not come. */
  take(): Uint8Array<ArrayBuffer> | undefined {
    this.keep();
    const piece = this.#pieces.shift();
    if (piece === undefined && this.#failure !== undefined && !this.isComplete) throw this.#failure;
    if (piece !== undefined && this.#pieces.length === 0) this.#source.taken();
    return piece;
  }

  /** Resolves when there is a piece, or the end. Rejects if neither will come. */
  async arrival(): Promise<void> {
    if (this.isComplete || this.hasPieces) return;
    if (this.#failure !== undefined) throw this.#failure;
    this.#wait ??= Promise.withResolvers();
    this.#source.wanted();
    await this.#wait.promise;
  }

  /** A piece has arrived. It is not changed any more. */
  add(piece: Uint8Array<ArrayBuffer>): void {
    this.#pieces.push(piece);
    this.#arrived();
  }

  /** The same for a piece that is only there until the connection is read again. */
  lend(piece: Uint8Array<ArrayBuffer>): void {
    const isFirst = this.#pieces.length === 0;
    this.#isLent ||= isFirst;
    this.add(isFirst ? piece : piece.slice());
  }

  /** For the connection: what it has lent is about to be changed. */
  keep(): void {
    if (!this.#isLent) return;
    this.#isLent = false;
    this.#pieces[0] = this.#pieces[0]!.slice();
  }

  /** That was all of it. */
  complete(): void {
    this.isComplete = true;
    this.#arrived();
  }

  /** The rest will not come: what has arrived can still be taken, and then this is thrown. */
  fail(error: unknown): void {
    if (this.isComplete || this.#failure !== undefined) return;
    this.#failure = error;
    const wait = this.#wait;
    this.#wait = undefined;
    wait?.reject(error);
  }

  #arrived(): void {
    const wait = this.#wait;
    this.#wait = undefined;
    wait?.resolve();
  }
}

/** One request. */
export class IncomingRequest {
  readonly method: string;
  /** As it was sent. */
  readonly url: string;
  readonly body: RequestBody;
  /** The same object for all requests of one connection. */
  readonly connection: object;
  /** The same object for requests whose heads are the same, where a connection has seen it. */
  readonly head: RequestHead;

  constructor(head: RequestHead, { body, connection }: { body: RequestBody; connection: object }) {
    this.head = head;
    this.method = head.method;
    this.url = head.url;
    this.body = body;
    this.connection = connection;
  }

  get isHttp10(): boolean {
    return this.head.isHttp10;
  }

  /** The value of a header; several are joined as one list. `name`: in lower case. */
  header(name: string): string | undefined {
    return this.head.header(name);
  }

  /** How often a header is there. */
  count(name: string): number {
    return this.head.count(name);
  }

  /** All headers, by their names in lower case. */
  headers(): Readonly<Record<string, string>> {
    return this.head.headers();
  }
}
