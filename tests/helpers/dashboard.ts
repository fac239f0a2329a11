/** An `evs dashboard` for a test, and requests to it that a browser would not send. */
import { RunningEvs, until } from "./evs.ts";
import { isClosed } from "./raw_connection.ts";

/** How to start it. */
export interface DashboardStart {
  at: { socket: string; dataDir: string };
  /** Flags besides `--listen`. */
  args?: readonly string[];
  /** Default `127.0.0.1:0`. */
  listen?: string;
  env?: Record<string, string>;
}

/** A reply. */
export interface DashboardReply {
  status: number;
  headers: Headers;
  text: string;
  // deno-lint-ignore no-explicit-any -- tests look into replies freely
  json: any;
}

/** A running one. */
export class TestDashboard implements AsyncDisposable {
  readonly process: RunningEvs;
  /** The link that it printed. */
  readonly link: string;
  /** `http://127.0.0.1:PORT`. */
  readonly origin: string;
  /** A connection for each request: the server closes idle ones, at any moment. */
  readonly #client = Deno.createHttpClient({ poolMaxIdlePerHost: 0 });
  /** What the link's token was exchanged for. */
  #session: Record<string, string> | undefined;

  private constructor(process: RunningEvs, link: string) {
    this.process = process;
    this.link = link;
    this.origin = new URL(link).origin;
  }

  /** Starts it and waits until it listens. */
  static async start({ at, args = [], listen = "127.0.0.1:0", env }: DashboardStart) {
    const process = new RunningEvs(["dashboard", "--listen", listen, ...args], { at, env });
    let ended = false;
    void process.end().then(() => ended = true);
    await until(() => ended || process.stdout.includes("\n"));
    if (!process.stdout.includes("\n")) throw new Error(`it ended: ${process.stderr}`);
    return new TestDashboard(process, JSON.parse(process.stdout.split("\n")[0]!).url);
  }

  /** The port. */
  get port(): number {
    return Number(new URL(this.origin).port);
  }

  /** The link's token. */
  get token(): string {
    return new URL(this.link).searchParams.get("token")!;
  }

  /** The headers of a session, as the page sends them. */
  async session(): Promise<Record<string, string>> {
    if (this.#session !== undefined) return this.#session;
    const reply = await this.plain("GET", `/?token=${this.token}`);
    const key = new URL(reply.headers.get("location")!, this.origin).hash.slice("#key=".length);
    const cookie = reply.headers.get("set-cookie")!.split(";")[0]!;
    return this.#session = { cookie, "evs-dashboard-key": key };
  }

  /** A request of the page: with a session, from its own origin. */
  async ask(
    method: string,
    path: string,
    { body, headers = {} }: { body?: unknown; headers?: Record<string, string> } = {},
  ): Promise<DashboardReply> {
    const isRaw = typeof body === "string" || body instanceof Uint8Array;
    return await this.plain(method, path, {
      body: isRaw || body === undefined ? body : JSON.stringify(body),
      headers: {
        ...(method === "GET" ? {} : { origin: this.origin, "content-type": "application/json" }),
        ...await this.session(),
        ...headers,
      },
    });
  }

  /** A request with these headers alone. */
  async plain(
    method: string,
    path: string,
    { body, headers = {} }: { body?: string | Uint8Array; headers?: Record<string, string> } = {},
  ): Promise<DashboardReply> {
    const reply = await fetch(`${this.origin}${path}`, {
      method,
      headers,
      body: body as BodyInit,
      redirect: "manual",
      client: this.#client,
    });
    const text = await reply.text();
    const isJson = reply.headers.get("content-type") === "application/json";
    return {
      status: reply.status,
      headers: reply.headers,
      text,
      json: isJson ? JSON.parse(text) : undefined,
    };
  }

  /** Sends bytes on a connection of its own, and returns what came until the other side closed. */
  async raw(text: string): Promise<string> {
    using conn = await Deno.connect({ hostname: "127.0.0.1", port: this.port });
    const bytes = new TextEncoder().encode(text);
    const decoder = new TextDecoder();
    const buffer = new Uint8Array(64 * 1024);
    let answer = "";
    try {
      for (let at = 0; at < bytes.length;) at += await conn.write(bytes.subarray(at));
      for (let n = await conn.read(buffer); n !== null; n = await conn.read(buffer)) {
        answer += decoder.decode(buffer.subarray(0, n), { stream: true });
      }
    } catch (error) {
      // It may close before it has read everything.
      if (!isClosed(error)) throw error;
    }
    return answer;
  }

  /** Ends it as Ctrl-C does; its exit code. */
  async stop(): Promise<number> {
    this.process.child.kill("SIGINT");
    return (await this.process.end()).code;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#client.close();
    try {
      this.process.child.kill("SIGKILL");
    } catch (error) {
      // It has already ended.
      if (!(error instanceof TypeError)) throw error;
    }
    await this.process.end();
  }
}
