/** `evs import`: puts events back into their topics with their ids; safe to repeat. */
import { ExitCode } from "../core/base/errors.ts";
import type { EvsContext } from "./cli/context.ts";
import { verb } from "./cli/define.ts";
import { Importer, type ImportTally } from "./importer/importer.ts";
import { inputChunks } from "./publisher/stream.ts";

export const route = verb<{ onError?: "stop" | "skip" }, []>({
  brief: "Store events that evs export has printed",
  description:
    "Reads events from standard input, a line each, and stores each in the topic that it names, with its id, time, metadata and exact payload; the order within a topic stays, its numbers are given anew. What a topic has already is not stored again, however long ago it came: after a break, run the same import again. Topics are made with default options.",
  examples: [
    ["import < events.ndjson", "What evs export has printed."],
    ["import --on-error skip < events.ndjson", "Go on behind lines that are refused."],
  ],
  parameters: {
    flags: {
      onError: {
        kind: "enum",
        values: ["stop", "skip"],
        brief: "At a line that is refused: stop (default) or go on",
        optional: true,
      },
    },
  },
  async run(this: EvsContext, { onError = "stop" }): Promise<void> {
    const importer = new Importer(await this.client(), {
      clock: this.clock,
      say: (words) => this.say(words),
      onError,
    });
    const next = inputChunks(this);
    const tally = await importer.run((async function* () {
      for (let chunk = await next(); chunk !== null; chunk = await next()) yield chunk;
    })());
    await this.printFacts(tally, factsOf);
    if (tally.refused > 0) this.exitCode = ExitCode.Partly;
  },
});

function factsOf({ topics, count, duplicates, refused }: ImportTally): Record<string, unknown> {
  return {
    topics,
    stored: count,
    "there already": duplicates,
    ...(refused > 0 ? { refused } : {}),
  };
}
