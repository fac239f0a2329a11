/** `evs import`: puts events back into their topics with their ids; safe to repeat. */
import { ExitCode } from "../core/base/errors.ts";
import type { EvsContext } from "./cli/context.ts";
import { verb } from "./cli/define.ts";
import { Importer, type ImportTally } from "./importer/importer.ts";
import { inputChunks } from "./publisher/stream.ts";

export const route = verb<{ onError?: "stop" | "skip" }, []>({
  brief: "Import events printed by evs export",
  description:
    "Reads events from standard input, one per line, and stores each in the topic that it names, with its id, time, metadata and exact payload. The order within a topic is kept; sequence numbers are assigned anew. Events that a topic already has are not stored again, no matter how old they are: run the same import again as often as you like. If the daemon is restarted meanwhile, the import waits for it and continues. Topics are created with default options.",
  examples: [
    ["import < events.ndjson", "Events printed by evs export."],
    ["import --on-error skip < events.ndjson", "Continue after rejected lines."],
  ],
  parameters: {
    flags: {
      onError: {
        kind: "enum",
        values: ["stop", "skip"],
        brief: "What to do at a rejected line: stop (default) or skip it",
        optional: true,
      },
    },
  },
  async run(this: EvsContext, { onError = "stop" }): Promise<void> {
    const importer = new Importer(await this.client(), {
      clock: this.clock,
      say: (words) => this.say(words),
      onError,
      limitMs: this.reconnectMs,
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
