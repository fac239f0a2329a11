/**
 * A connection to the daemon that sends arbitrary bytes and reads only as much as the test wants.
 */

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** Sends bytes to a socket and reads the replies. */
export class RawConnection {
  readonly #conn: Deno.UnixConn;
  /** One per connection, because a read may end inside a character. */
  readonly #decoder = new TextDecoder();
  #text = "";

  private constructor(conn: Deno.UnixConn) {
    this.#conn = conn;
  }

  static async open(socket: string): Promise<RawConnection> {
    return new RawConnection(await Deno.connect({ transport: "unix", path: socket }));
  }

  /** Sends everything. Throws if the other side has closed. */
  async send(data: string | Uint8Array): Promise<void> {
    const bytes = typeof data === "string" ? encoder.encode(data) : data;
    for (let at = 0; at < bytes.length;) at += await this.#conn.write(bytes.subarray(at));
  }

  /** Sends until the other side accepts no more; returns how many bytes that were. */
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

  /**
   * Reads until the text matches, and returns what was read so far. Throws if the connection ends
   * before.
   */
  async until(pattern: RegExp): Promise<string> {
    while (!pattern.test(this.#text)) {
      if (!await this.#read()) throw new Error(`it ended before ${pattern}: ${this.#text}`);
    }
    return this.#text;
  }

  /**
   * Reads until the pattern has matched so many times, and forgets what was read. Throws if the
   * connection ends before. No match spans more than a kibibyte.
   */
  async count(pattern: RegExp, times: number): Promise<void> {
    for (let found = 0;;) {
      let end = Math.max(0, this.#text.length - 1024);
      for (const match of this.#text.matchAll(pattern)) {
        found++;
        end = Math.max(end, match.index + match[0].length);
        if (found === times) break;
      }
      this.#text = this.#text.slice(end);
      if (found === times) return;
      if (!await this.#read()) throw new Error(`it ended after ${found} of ${times}`);
    }
  }

  /**
   * One reply with a content length: its status and body, and whether the server says that it
   * answers nothing after it.
   */
  async answer(): Promise<{ status: number; body: string; isLast: boolean }> {
    const [head = ""] = (await this.until(/\r\n\r\n/)).split("\r\n\r\n");
    const status = Number(/^HTTP\/1\.1 (\d+)/.exec(head)?.[1]);
    const length = Number(/^content-length: (\d+)/im.exec(head)?.[1]);
    const isLast = /^connection: close$/im.test(head);
    const at = head.length + 4;
    while (encoder.encode(this.#text.slice(at)).length < length) {
      if (!await this.#read()) throw new Error(`the answer broke off: ${this.#text}`);
    }
    const bytes = encoder.encode(this.#text.slice(at));
    const body = decoder.decode(bytes.subarray(0, length));
    this.#text = decoder.decode(bytes.subarray(length));
    return { status, body, isLast };
  }

  /** Reads until the other side closes, cleanly or not, and returns everything. */
  async untilEnd(): Promise<string> {
    while (await this.#read());
    return this.#text;
  }

  /** Sends nothing more; it can still read. */
  async end(): Promise<void> {
    await this.#conn.closeWrite();
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

/** True for the error of a read or a write after the other side has closed. */
export function isClosed(error: unknown): boolean {
  return error instanceof Deno.errors.BrokenPipe || error instanceof Deno.errors.ConnectionReset ||
    error instanceof Deno.errors.NotConnected;
}

/** The head of a request. */
export function head(line: string, ...headers: string[]): string {
  return [`${line} HTTP/1.1`, "host: evs", ...headers, "", ""].join("\r\n");
}
