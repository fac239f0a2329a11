/**
 * Stands between a client and PostgreSQL, and cuts, holds or changes what passes. It knows each
 * connection by its application's name, which the client says first.
 */
import { readTarget } from "../../core/postgres/url.ts";

/** What is done with the bytes of one connection. */
export interface ProxyRules {
  /** Bytes to pass on to the server instead of these; undefined: none of them. */
  toServer?(bytes: Uint8Array, link: ProxyLink): Uint8Array | undefined;
  /** Bytes to pass on to the client. */
  toClient?(bytes: Uint8Array, link: ProxyLink): Uint8Array | undefined;
}

/** One connection through the proxy. */
export interface ProxyLink {
  /** What the client called itself; empty until its first bytes. */
  name: string;
  /** Closes both halves; what the server was sent, it still has. */
  cut(): void;
  /** Closes the client's half only; {@link sendLate} still reaches the server. */
  cutClient(): void;
  /** Sends bytes to the server. */
  sendLate(bytes: Uint8Array): Promise<void>;
}

/** A proxy that runs until it is disposed of. */
export interface PostgresProxy extends AsyncDisposable {
  /** The database's URL through the proxy. */
  readonly url: string;
  /** Sends further connections to another server, and cuts those that there are. */
  moveTo(url: string): void;
}

/** Starts a proxy for the server of `url`. */
export function startPostgresProxy(url: string, rules: ProxyRules): PostgresProxy {
  const { user, database, ...target } = readTarget(url);
  let { port } = target;
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const open = new Set<Promise<void>>();
  const links = new Set<Link>();
  const accepting = (async () => {
    for await (const client of listener) {
      const server = await connected(port);
      if (!server) {
        client.close();
        continue;
      }
      const link = new Link(client, server);
      links.add(link);
      const done = link.run(rules).finally(() => links.delete(link));
      open.add(done);
    }
  })();
  return {
    url: `postgres://${user}@127.0.0.1:${(listener.addr as Deno.NetAddr).port}/${database}`,
    moveTo(other) {
      port = readTarget(other).port;
      for (const link of links) link.cut();
    },
    async [Symbol.asyncDispose]() {
      listener.close();
      await accepting;
      for (const link of links) link.cut();
      await Promise.all(open);
    },
  };
}

/** Undefined if the server is away: the client sees a connection that ends. */
async function connected(port: number): Promise<Deno.Conn | undefined> {
  try {
    return await Deno.connect({ hostname: "127.0.0.1", port });
  } catch (error) {
    if (error instanceof Deno.errors.ConnectionRefused) return undefined;
    throw error;
  }
}

class Link implements ProxyLink {
  readonly #client: Deno.Conn;
  readonly #server: Deno.Conn;
  readonly #closed = new Set<Deno.Conn>();
  name = "";

  constructor(client: Deno.Conn, server: Deno.Conn) {
    this.#client = client;
    this.#server = server;
  }

  async run({ toServer, toClient }: ProxyRules): Promise<void> {
    const pass = (bytes: Uint8Array) => bytes;
    const up = this.#pump(this.#client, this.#server, (bytes) => {
      if (this.name === "") this.name = nameIn(bytes);
      return (toServer ?? pass)(bytes, this);
    });
    const down = this.#pump(
      this.#server,
      this.#client,
      (bytes) => (toClient ?? pass)(bytes, this),
    );
    await Promise.all([up, down]);
    this.cut();
  }

  async #pump(
    from: Deno.Conn,
    to: Deno.Conn,
    change: (bytes: Uint8Array) => Uint8Array | undefined,
  ): Promise<void> {
    const buffer = new Uint8Array(65_536);
    try {
      for (;;) {
        const n = await from.read(buffer);
        if (n === null) break;
        const bytes = change(buffer.slice(0, n));
        if (bytes) await writeAll(to, bytes);
      }
    } catch {
      // One of the halves was closed.
    }
    // A client that was cut leaves the server's half open for what is sent late.
    if (!(from === this.#client && this.#closed.has(this.#client))) this.#close(to);
  }

  cut(): void {
    this.#close(this.#client);
    this.#close(this.#server);
  }

  cutClient(): void {
    this.#close(this.#client);
  }

  async sendLate(bytes: Uint8Array): Promise<void> {
    await writeAll(this.#server, bytes);
  }

  #close(half: Deno.Conn): void {
    if (this.#closed.has(half)) return;
    this.#closed.add(half);
    half.close();
  }
}

async function writeAll(to: Deno.Conn, bytes: Uint8Array): Promise<void> {
  for (let at = 0; at < bytes.length;) at += await to.write(bytes.subarray(at));
}

/** The parameter `application_name` of a startup message. */
function nameIn(bytes: Uint8Array): string {
  const words = new TextDecoder().decode(bytes).split("\0");
  return words[words.indexOf("application_name") + 1] ?? "";
}
