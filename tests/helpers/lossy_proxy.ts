/**
 * A socket in front of the daemon's that can lose a reply: the daemon has carried out the request,
 * but the client does not learn of it. It can also change requests.
 */

/** A proxy that drops connections and replies. */
export class LossyProxy implements AsyncDisposable {
  readonly socket: string;
  readonly #target: string;
  readonly #listener: Deno.UnixListener;
  readonly #connections = new Set<Deno.UnixConn>();
  /** How many more replies to lose. */
  lose = 0;
  lost = 0;
  /** Which replies may be lost: those that match this. */
  which = /(?:)/;
  /** What is asked instead: a text of the same length. */
  asks = (text: string): string => text;
  /** Called before closing a connection whose reply is lost. */
  beforeClose: () => Promise<unknown> = () => Promise.resolve();

  constructor(socket: string, target: string) {
    this.socket = socket;
    this.#target = target;
    this.#listener = Deno.listen({ transport: "unix", path: socket });
    this.#accept();
  }

  async #accept(): Promise<void> {
    for await (const client of this.#listener) {
      const daemon = await this.#connect();
      if (daemon === undefined) {
        client.close();
        continue;
      }
      this.#connections.add(client).add(daemon);
      this.#pass(client, daemon, (text) => this.asks(text));
      this.#pass(
        daemon,
        client,
        (text) => this.lose > 0 && this.which.test(text) ? undefined : text,
      );
    }
  }

  async #connect(): Promise<Deno.UnixConn | undefined> {
    try {
      return await Deno.connect({ transport: "unix", path: this.#target });
    } catch (error) {
      const isAway = error instanceof Deno.errors.ConnectionRefused ||
        error instanceof Deno.errors.NotFound;
      if (isAway) return undefined;
      throw error;
    }
  }

  async #pass(
    from: Deno.UnixConn,
    to: Deno.UnixConn,
    change: (text: string) => string | undefined,
  ): Promise<void> {
    const buffer = new Uint8Array(64 * 1024);
    const decoder = new TextDecoder();
    const encoder = new TextEncoder();
    try {
      for (let n = await from.read(buffer); n !== null; n = await from.read(buffer)) {
        const text = decoder.decode(buffer.subarray(0, n));
        const changed = change(text);
        if (changed === undefined) {
          this.lose--;
          await this.beforeClose();
          this.lost++;
          break;
        }
        if (changed !== text) encoder.encodeInto(changed, buffer);
        for (let at = 0; at < n;) at += await to.write(buffer.subarray(at, n));
      }
    } catch (error) {
      // When one side closes, the other is closed, too.
      if (
        !(error instanceof Deno.errors.BadResource || error instanceof Deno.errors.BrokenPipe ||
          error instanceof Deno.errors.Interrupted || error instanceof Deno.errors.ConnectionReset)
      ) throw error;
    } finally {
      this.#close(from);
      this.#close(to);
    }
  }

  #close(connection: Deno.UnixConn): void {
    if (this.#connections.delete(connection)) connection.close();
  }

  /** Closes every connection, as a daemon does with idle ones. */
  closeAll(): void {
    for (const connection of [...this.#connections]) this.#close(connection);
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.#listener.close();
    this.closeAll();
    return Promise.resolve();
  }
}
