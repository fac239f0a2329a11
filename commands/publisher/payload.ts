/** The payload of one event: an argument, a file or standard input. */
import { EventRefusedError, InvalidArgumentError } from "../../core/base/errors.ts";
import { osReason } from "../../core/base/os_error.ts";
import { shellQuote } from "../../core/base/shell_quote.ts";
import { LARGEST_JSON_BODY } from "../../core/event/limits.ts";
import { withoutMark } from "../cli/byte_order_mark.ts";
import type { EvsContext } from "../cli/context.ts";
import { load } from "../cli/lazy.ts";

/** The body for a PAYLOAD that is text: the argument itself, or standard input. */
export async function textBytes(
  context: EvsContext,
  { payload, binary }: { payload: string; binary?: boolean },
): Promise<string> {
  const { argumentBody, base64Body, textBody } = await load<typeof import("./text_body.ts")>(
    "./publisher/text_body.ts",
  );
  if (payload !== "-") {
    const body = argumentBody(payload);
    if (payload.startsWith("@") && await isFile(payload.slice(1))) {
      const file = shellQuote(payload.slice(1));
      context.say(`${payload} is text here, not a file; for a file: - <${file}`);
    }
    return binary ? base64Body(new TextEncoder().encode(payload)) : body;
  }
  const input = await readInput(context);
  return binary ? base64Body(input) : textBody(input);
}

async function isFile(path: string): Promise<boolean> {
  try {
    return (await Deno.stat(path)).isFile;
  } catch {
    return false; // it cannot be meant
  }
}

/** The body for a PAYLOAD that is JSON: the argument, a file, or standard input. */
export async function payloadBytes(
  context: EvsContext,
  payload: string,
): Promise<Uint8Array | string> {
  if (payload === "-") return withoutMark(await readInput(context));
  if (!payload.startsWith("@")) return payload;
  const path = payload.slice(1);
  try {
    const { size } = await Deno.stat(path);
    if (size > LARGEST_JSON_BODY) throw tooLarge(`the file ${path}`);
    return withoutMark(await Deno.readFile(path));
  } catch (error) {
    if (error instanceof EventRefusedError) throw error;
    const reason = error instanceof Deno.errors.NotFound
      ? "is not there"
      : `cannot be read: ${osReason(error)}`;
    throw new InvalidArgumentError(`the file ${path} ${reason}`, {
      code: "argument/unreadable-file",
      details: { path },
      cause: error,
    });
  }
}

async function readInput(context: EvsContext): Promise<Uint8Array> {
  let buffer = new Uint8Array(64 * 1024);
  let filled = 0;
  while (true) {
    const count = await context.stdin.read(buffer.subarray(filled));
    if (count === null) return buffer.subarray(0, filled);
    filled += count;
    if (filled > LARGEST_JSON_BODY) throw tooLarge("standard input");
    if (filled < buffer.length) continue;
    const larger = new Uint8Array(buffer.length * 2);
    larger.set(buffer);
    buffer = larger;
  }
}

function tooLarge(what: string): EventRefusedError {
  return new EventRefusedError(
    "event/too-large",
    `${what} has more than ${LARGEST_JSON_BODY} bytes`,
    {
      hint: "publish a reference to the data instead of the data",
    },
  );
}
