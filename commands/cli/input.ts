/** Reads a whole file, or stdin for `-`, and splits its lines into request-sized batches. */
import { InvalidArgumentError } from "../../core/base/errors.ts";
import { osReason } from "../../core/base/os_error.ts";
import { withoutMark } from "./byte_order_mark.ts";
import type { EvsContext } from "./context.ts";

/**
 * Reads the whole input, without a byte order mark. Throws `InvalidArgumentError` if the file
 * cannot be read.
 */
export async function readInput(context: EvsContext, file: string): Promise<Uint8Array> {
  if (file === "-") return withoutMark(await readAll(context.stdin));
  try {
    return withoutMark(await Deno.readFile(file));
  } catch (cause) {
    const reason = cause instanceof Deno.errors.NotFound
      ? "there is no such file"
      : cause instanceof Deno.errors.PermissionDenied
      ? "permission denied"
      : osReason(cause);
    throw new InvalidArgumentError(`cannot read ${file}: ${reason}`, {
      code: "argument/unreadable-file",
      cause,
    });
  }
}

async function readAll(
  source: { read(buffer: Uint8Array): Promise<number | null> },
): Promise<Uint8Array> {
  const pieces: Uint8Array<ArrayBuffer>[] = [];
  for (;;) {
    const buffer = new Uint8Array(64 * 1024);
    const count = await source.read(buffer);
    if (count === null) break;
    pieces.push(buffer.subarray(0, count));
  }
  return new Uint8Array(await new Blob(pieces).arrayBuffer());
}

/** Turns one multi-line JSON value into a single line; anything else is treated as NDJSON. */
export function toLines(bytes: Uint8Array): Uint8Array {
  const source = new TextDecoder().decode(bytes);
  if (!source.trim().includes("\n")) return bytes;
  try {
    JSON.parse(source);
  } catch {
    // Not one value, so one value per line; the daemon reports invalid lines.
    return bytes;
  }
  // Between tokens a line feed is the same as a space, and strings contain none.
  return bytes.map((byte) => byte === 0x0a || byte === 0x0d ? 0x20 : byte);
}

/**
 * Small enough for a socket's buffer, because verdicts are read only after the whole request is
 * written.
 */
const BATCH = 64 * 1024;

/** Whole lines, and the number of the first. */
export interface InputBatch {
  bytes: Uint8Array;
  firstLine: number;
}

/** Splits input into batches of whole lines, about 64 KiB each. */
export function* batches(
  bytes: Uint8Array,
): Generator<InputBatch, void, undefined> {
  let firstLine = 1;
  for (let from = 0; from < bytes.length;) {
    let to = bytes.length;
    if (to - from > BATCH) {
      const next = bytes.indexOf(0x0a, from + BATCH);
      if (next >= 0) to = next + 1;
    }
    const part = bytes.subarray(from, to);
    yield { bytes: part, firstLine };
    for (let at = part.indexOf(0x0a); at >= 0; at = part.indexOf(0x0a, at + 1)) firstLine++;
    from = to;
  }
}
