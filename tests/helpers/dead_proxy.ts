/**
 * A socket in front of the daemon's, as a tunnel over a network is: its connections can go dead.
 * Nothing passes through a dead one in either direction, and the client does not learn that.
 */

/** A proxy whose connections can go dead. */
export class DeadProxy implements AsyncDisposable {
  readonly socket: string;
  readonly #target: string;
  readonly #listener: Deno.UnixListener;
  readonly #connections = new Set<Deno.UnixConn>();
  /** Those of them that lead to the daemon. */
  readonly #daemons = new Set<Deno.UnixConn>();
  #dead = new Set<Deno.UnixConn>();
  /** What is asked instead. */
  asks = (text: string): string => text;
  /** True: connections that are made from now on are dead as well. */
  isDown = false;

  constructor(socket: string, target: string) {
    this.socket = socket;
    this.#target = target;
    this.#listener = Deno.listen({ transport: "unix", path: socket });
    void this.#accept();
  }

  /** Whatever is connected now is dead from now on. `told`: the daemon learns it. */
  cut({ told }: { told: boolean }): void {
    this.#dead = new Set(this.#connections);
    if (told) this.#close(...this.#daemons);
  }

  async #accept(): Promise<void> {
    for await (const client of this.#listener) {
      const daemon = await Deno.connect({ transport: "unix", path: this.#target });
      this.#connections.add(client).add(daemon);
      this.#daemons.add(daemon);
      if (this.isDown) this.#dead.add(client).add(daemon);
      void this.#pass(client, { to: daemon, change: (text) => this.asks(text) });
      void this.#pass(daemon, { to: client, change: (text) => text });
    }
  }

  async #pass(
    from: Deno.UnixConn,
    { to, change }: { to: Deno.UnixConn; change: (text: string) => string },
  ): Promise<void> {
    const buffer = new Uint8Array(64 * 1024);
    const [decoder, encoder] = [new TextDecoder(), new TextEncoder()];
    try {
      for (let n = await from.read(buffer); n !== null; n = await from.read(buffer)) {
        if (this.#dead.has(from)) continue;
        const bytes = encoder.encode(change(decoder.decode(buffer.subarray(0, n))));
        for (let at = 0; at < bytes.length;) at += await to.write(bytes.subarray(at));
      }
    } catch (error) {
      if (!isClosed(error)) throw error;
    } finally {
      // The end of a dead connection does not get through either.
      if (!this.#dead.has(from)) this.#close(from, to);
    }
  }

  #close(...connections: Deno.UnixConn[]): void {
    for (const connection of connections) {
      if (this.#connections.delete(connection)) connection.close();
    }
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.#listener.close();
    this.#close(...this.#connections);
    return Promise.resolve();
  }
}

/** When one side closes, the other is closed, too. */
function isClosed(error: unknown): boolean {
  return error instanceof Deno.errors.BadResource || error instanceof Deno.errors.BrokenPipe ||
    error instanceof Deno.errors.Interrupted || error instanceof Deno.errors.ConnectionReset;
}
