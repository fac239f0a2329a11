/** Dead letters page by page, newest first, however many there are. */
import type { Client } from "../../core/client/client.ts";
import type { DeadLetterAction, DeadLetterInfo } from "../../core/protocol/protocol.ts";
import { listQuery } from "./selection.ts";

/** The header that says where the next page begins. */
const NEXT = "evs-next";

/** One page as lines of NDJSON. */
export async function* deadLetterPages(
  client: Client,
  options: { chosen: DeadLetterAction; pageSize: number },
): AsyncGenerator<DeadLetterInfo[], void, undefined> {
  let after: string | undefined;
  do {
    const response = await client.deadLetters({
      ...listQuery(options.chosen),
      limit: options.pageSize,
      after,
    });
    const page: DeadLetterInfo[] = [];
    const decoder = new TextDecoder();
    for await (const line of response.lines()) {
      if (line.length > 0) page.push(JSON.parse(decoder.decode(line)) as DeadLetterInfo);
    }
    after = response.headers.get(NEXT);
    if (page.length > 0) yield page;
  } while (after !== undefined && after !== "");
}
