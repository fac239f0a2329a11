/** `evs dlq export`: prints complete dead letters as lines for `evs dlq import`. */
import { InvalidArgumentError } from "../../core/base/errors.ts";
import type { EvsContext } from "../cli/context.ts";
import { verb } from "../cli/define.ts";
import { fetchDetails } from "./details.ts";
import {
  type FilterFlags,
  filterFlags,
  idArguments,
  listQuery,
  sayNoneFound,
  selection,
} from "./selection.ts";

export const route = verb<FilterFlags, string[]>({
  brief: "Print complete dead letters, for import",
  description:
    "Prints each dead letter with its event and every attempt as a line of JSON, oldest first, so that redelivered events keep their order. The queue does not change. Edit the lines and pass them to evs dlq import --retry.",
  examples: [
    ["dlq export > dead.ndjson", "all of them, into a file"],
    [
      "dlq export --type order.placed | jq -c '.event.payload.total |= tonumber' | evs dlq import --retry",
      "fix all events of a type, and redeliver them",
    ],
  ],
  parameters: { flags: { ...filterFlags }, positional: idArguments },
  run: exportDeadLetters,
});

async function exportDeadLetters(
  this: EvsContext,
  flags: FilterFlags,
  ...ids: string[]
): Promise<void> {
  const client = await this.client();
  const chosen = selection(flags, { ids: [], now: this.clock.now() });
  const { topic, ...others } = chosen;
  if (ids.length > 0 && Object.keys(others).length > 0) {
    throw new InvalidArgumentError("ids and filters other than --topic exclude each other", {
      code: "argument/usage",
      hint: "evs dlq export --help",
    });
  }
  if (ids.length > 0) {
    for (const id of ids) {
      for (const { text } of await fetchDetails(client, { id, topic })) {
        await this.printLines(`${text}\n`);
      }
    }
    return;
  }
  const decoder = new TextDecoder();
  let after: string | undefined;
  let count = 0;
  do {
    const response = await client.deadLetters({
      ...listQuery(chosen),
      full: "1",
      oldest: "1",
      limit: 50,
      after,
    });
    for await (const line of response.lines()) {
      if (line.length === 0) continue;
      count++;
      await this.printLines(`${decoder.decode(line)}\n`);
    }
    after = response.headers.get("evs-next") || undefined;
  } while (after !== undefined);
  if (count === 0) await sayNoneFound(this, { client, chosen });
}
