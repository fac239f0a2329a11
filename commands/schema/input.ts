/** A whole file, or stdin for `-`. */
import { InvalidArgumentError } from "../../core/errors.ts";
import type { EvsContext } from "../context.ts";

/** Reads it all. Throws `InvalidArgumentError` where the file cannot be read. */
export async function readInput(context: EvsContext, file: string): Promise<Uint8Array> {
  if (file === "-") return await readAll(context.stdin);
  try {
    return await Deno.readFile(file);
  } catch (cause) {
    const reason = cause instanceof Deno.errors.NotFound
      ? "there is no such file"
      : cause instanceof Deno.errors.PermissionDenied
      ? "permission denied"
      : cause instanceof Error
      ? cause.message
      : String(cause);
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
