/** The publishes of one connection, which keep their order. */
import type { PublishStream } from "../../core/store/journal.ts";

/** What the publishes of one connection share, and whose turn it is. */
export class ConnectionTurn {
  readonly stream: PublishStream = {};
  /** Nothing after this publish is stored. */
  stopped = false;
  /** Bytes passed on and not yet durable. */
  bytes = 0;
  readonly inFlight: Set<Promise<void>> = new Set<Promise<void>>();
  /** Lines that were refused of the last chunk. */
  refused = 0;
  #isTaken = false;
  readonly #waiting: (() => void)[] = [];

  /**
   * Called when nothing is in flight any more: what has arrived meanwhile need not wait for more
   * bytes.
   */
  idle: () => void = () => {};

  /** True if a publish may begin at once. */
  get isFree(): boolean {
    return !this.#isTaken && !this.stopped;
  }

  /**
   * Resolves when the publishes before this one have passed on everything; undefined if they have.
   * Each is followed by one {@link leave}.
   */
  enter(): Promise<void> | undefined {
    if (this.#isTaken) return new Promise((resolve) => void this.#waiting.push(resolve));
    this.#isTaken = true;
    return undefined;
  }

  /** This publish has passed on everything. */
  leave(): void {
    const next = this.#waiting.shift();
    if (next === undefined) this.#isTaken = false;
    else next();
  }
}

const turns = new WeakMap<object, ConnectionTurn>();

/** The turns of a connection. */
export function turnOf(connection: object): ConnectionTurn {
  let turn = turns.get(connection);
  if (turn === undefined) turns.set(connection, turn = new ConnectionTurn());
  return turn;
}
