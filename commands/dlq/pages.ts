/** Fetches dead letters page by page, newest first, in any number. */
import type { Client } from "../../core/client/client.ts";
import type { DeadLetterAction, DeadLetterInfo } from "../../core/protocol/protocol.ts";
import { listQuery } from "./selection.ts";

/** The header with the start of the next page. */
const NEXT = "evs-next";

/** Yields one page at a time, as lines of NDJSON. */
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
