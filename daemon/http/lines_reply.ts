/**
 * A response made of lines, written only as fast as its client reads. Between two pages everything
 * else gets a turn; lines that had to be waited for have come in a turn of their own.
 */
import { turn } from "../../core/base/in_turns.ts";
import { countGarbage } from "../memory/scavenge.ts";
import type { Reply } from "./reply.ts";

/** Sends lines as fast as the client reads. */
export class LinesReply {
  readonly #reply: Reply;

  constructor(reply: Reply) {
    this.#reply = reply;
  }

  /**
   * Starts the response. The headers are sent now, so that a follower knows that it is connected
   * before the first event.
   */
  begin(headers: Record<string, string>): void {
    this.#reply.begin(200, { "cache-control": "no-store", ...headers });
  }

  /** Resolves when there is room for more, or nobody takes it any more, and other work had a turn. */
  async write(bytes: Uint8Array, options: { shared?: boolean } = {}): Promise<void> {
    await this.writeAtOnce(bytes, options);
    await turn();
  }

  /** The same without a turn, for whoever waits for what comes next. */
  writeAtOnce(bytes: Uint8Array, options: { shared?: boolean } = {}): Promise<void> {
    if (!options.shared) countGarbage(bytes.length);
    return this.#reply.write(bytes, options);
  }

  /** The same for lines that other responses are sent, too; `onRoom` is called for each. */
  writeShared(bytes: Uint8Array): void {
    this.#reply.writeShared(bytes);
  }

  /** Called when there is room for more. */
  set onRoom(call: () => void) {
    this.#reply.onRoom = call;
  }

  /** Ends it. */
  end(): void {
    this.#reply.end();
  }
}
