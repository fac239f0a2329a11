/**
 * The published data: JSON lines of 182 bytes, and the same payloads in the form that Redis takes.
 */

/** The size of one payload, bytes. */
export const PAYLOAD_BYTES = 182;

/** The n-th payload. */
export function payload(n: number): string {
  const head = `{"n":${n},"userId":"u${n % 10_007}","action":"page.viewed","path":"/products/${
    n % 997
  }","referrer":"https://example.com/","fill":"`;
  return `${head}${"x".repeat(PAYLOAD_BYTES - head.length - 2)}"}`;
}

/** Writes `count` pieces to a file, a megabyte at a time. */
export async function write(
  path: string,
  count: number,
  piece: (n: number) => string,
): Promise<void> {
  using file = await Deno.open(path, { write: true, create: true, truncate: true });
  const writer = file.writable.getWriter();
  const encoder = new TextEncoder();
  for (let n = 1; n <= count;) {
    let text = "";
    for (; n <= count && text.length < 1_000_000; n++) text += piece(n);
    await writer.write(encoder.encode(text));
  }
  await writer.close();
}

/** Writes payloads, one per line. */
export async function writeLines(path: string, count: number): Promise<void> {
  await write(path, count, (n) => `${payload(n)}\n`);
}

/** The same payloads as `XADD bench * p PAYLOAD` in Redis's protocol, for `redis-cli --pipe`. */
export async function writeRedis(path: string, count: number): Promise<void> {
  const head = `*5\r\n$4\r\nXADD\r\n$5\r\nbench\r\n$1\r\n*\r\n$1\r\np\r\n$${PAYLOAD_BYTES}\r\n`;
  await write(path, count, (n) => `${head}${payload(n)}\r\n`);
}
