/** Lines of text out of a stream of bytes, as they arrive. */

/** Yields the complete lines of each piece, without their line feeds; empty ones are heartbeats. */
export async function* lineBatches(
  body: ReadableStream<Uint8Array<ArrayBuffer>>,
): AsyncGenerator<string[], void, undefined> {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  try {
    for (;;) {
      const { value, done } = await reader.read();
      if (done) break;
      const lines = (rest + value).split("\n");
      rest = lines.pop()!;
      const full = lines.filter((line) => line !== "");
      if (full.length > 0) yield full;
    }
    if (rest !== "") yield [rest];
  } finally {
    await reader.cancel().catch(() => {}); // It ends anyway: the stream broke, or nobody reads on.
  }
}
