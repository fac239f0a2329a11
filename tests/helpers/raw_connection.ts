/**
 * A connection to the daemon that sends whatever bytes a test likes, and reads as little as it
 * likes.
 */

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** Sends bytes to a socket and reads what comes back. */
export class RawConnection {
  readonly #conn: Deno.Conn;
  /** Of its own: what a read cuts a character into belongs to no other connection. */
  readonly #decoder = new TextDecoder();
  #text = "";

  private constructor(conn: Deno.Conn) {
    this.#conn = conn;
  }

  static async open(socket: string): Promise<RawConnection> {
    return new RawConnection(await Deno.connect({ transport: "unix", path: socket }));
  }

  /** Sends all of it. Throws when the other side has closed. */
  async send(data: string | Uint8Array): Promise<void> {
    const bytes = typeof data === "string" ? encoder.encode(data) : data;
    for (let at = 0; at < bytes.length;) at += await this.#conn.write(bytes.subarray(at));
  }

  /** Sends until the other side takes no more; tells how many bytes that were. */
  async sendOn(piece: Uint8Array, most = Infinity): Promise<number> {
    let sent = 0;
    try {
      while (sent < most) {
        await this.send(piece);
        sent += piece.length;
      }
    } catch (error) {
      if (!isClosed(error)) throw error;
    }
    return sent;
  }

  /** Reads until the text matches; what was read so far. Throws when it ends before. */
  async until(pattern: RegExp): Promise<string> {
    while (!pattern.test(this.#text)) {
      if (!await this.#read()) throw new Error(`it ended before ${pattern}: ${this.#text}`);
    }
    return this.#text;
  }

  /** One answer with its length told: its status and body. */
  async answer(): Promise<{ status: number; body: string }> {
    const head = await this.until(/\r\n\r\n/);
    const status = Number(/^HTTP\/1\.1 (\d+)/.exec(head)?.[1]);
    const length = Number(/^content-length: (\d+)/im.exec(head)?.[1]);
    const at = head.indexOf("\r\n\r\n") + 4;
    while (encoder.encode(this.#text.slice(at)).length < length) {
      if (!await this.#read()) throw new Error(`the answer broke off: ${this.#text}`);
    }
    const bytes = encoder.encode(this.#text.slice(at));
    const body = decoder.decode(bytes.subarray(0, length));
    this.#text = decoder.decode(bytes.subarray(length));
    return { status, body };
  }

  /** Reads until the other side closes, in order or not; all that came. */
  async untilEnd(): Promise<string> {
    while (await this.#read());
    return this.#text;
  }

  close(): void {
    this.#conn.close();
  }

  async #read(): Promise<boolean> {
    const buffer = new Uint8Array(64 * 1024);
    try {
      const n = await this.#conn.read(buffer);
      if (n === null) return false;
      this.#text += this.#decoder.decode(buffer.subarray(0, n), { stream: true });
      return true;
    } catch (error) {
      if (isClosed(error)) return false;
      throw error;
    }
  }
}

/** True for what a read or a write says when the other side has closed. */
export function isClosed(error: unknown): boolean {
  return error instanceof Deno.errors.BrokenPipe || error instanceof Deno.errors.ConnectionReset ||
    error instanceof Deno.errors.NotConnected;
}

/** The head of a request. */
export function head(line: string, ...headers: string[]): string {
  return [`${line} HTTP/1.1`, "host: evs", ...headers, "", ""].join("\r\n");
}
