/** Bodies of requests: read as a whole, within limits. */
import type { IncomingMessage } from "node:http";
import { concat } from "../../core/base/bytes.ts";
import { refusal } from "./guard.ts";

/** The most bytes of one body. */
export const MAX_BODY = 16 * 1024 * 1024;
/** The most bytes of all bodies at a time. */
const MAX_BODIES = 4 * MAX_BODY;

let held = 0;

/** Calls `use` with the whole body. Its memory counts until `use` is done. */
export async function withBody<T>(
  request: IncomingMessage,
  use: (body: Uint8Array) => Promise<T>,
): Promise<T> {
  const pieces: Uint8Array[] = [];
  let length = 0;
  try {
    for await (const piece of request as AsyncIterable<Uint8Array>) {
      length += piece.length;
      held += piece.length;
      if (length > MAX_BODY) {
        throw refusal(
          { code: "argument/too-large", status: 413 },
          `a request through the dashboard has at most ${MAX_BODY / 1024 / 1024} MiB`,
          { hint: "evs does it on the command line, whatever the size" },
        );
      }
      if (held > MAX_BODIES) {
        throw refusal(
          { code: "dashboard/busy", status: 503 },
          "the dashboard takes no more large requests at once",
          { hint: "try again in a moment" },
        );
      }
      pieces.push(piece);
    }
    return await use(concat(pieces));
  } finally {
    held -= length;
  }
}
