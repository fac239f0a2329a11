/** `evs expect`: waits for events; for tests and CI. */
import { formatDuration, parseDuration } from "../core/base/units.ts";
import { setPatientTimer } from "../core/base/standstill.ts";
import { TimeoutError } from "../core/base/errors.ts";
import { plainText, positive, verb } from "./cli/define.ts";
import { load } from "./cli/lazy.ts";
import { missedText } from "../core/reading/missed.ts";
import { openFeed } from "../core/client/feed.ts";
import { rawFlag, type SelectionFlags, selectionFlags } from "./reading/flags.ts";
import { plural } from "./terminal/table.ts";

const LF = 0x0a;

interface ExpectFlags extends SelectionFlags {
  count?: number;
  timeout: number;
  raw?: boolean;
}

export const route = verb<ExpectFlags, [topic: string]>({
  brief: "Wait for events; for CI",
  description:
    "Waits for N matching events (1 by default), prints them and exits with 0; exits with 1 when the time is " +
    "up. It counts from the start of the topic unless --from says otherwise, and waits for a topic that does not exist yet.",
  usage: [
    "TOPIC --timeout DURATION [--count N] [--from OFFSET] [--type TYPE]... [--where EXPRESSION]",
  ],
  examples: [
    ["expect users --timeout 5s", "At least one event within five seconds."],
    ["expect orders --type order.paid --count 3 --timeout 1m", "Three payments."],
    [
      `expect orders --where 'payload.id == "o1"' --from end --timeout 10s`,
      "A new event about o1.",
    ],
  ],
  parameters: {
    flags: {
      ...selectionFlags,
      count: {
        kind: "parsed",
        parse: positive,
        brief: "How many events; default 1",
        placeholder: "N",
        optional: true,
      },
      timeout: {
        kind: "parsed",
        parse: (input: string) => parseDuration(input, "--timeout"),
        brief: "How long to wait, such as 500ms, 30s or 5m",
        placeholder: "DURATION",
      },
      raw: rawFlag,
    },
    positional: {
      kind: "tuple",
      parameters: [{ parse: plainText, brief: "The topic, or a pattern", placeholder: "TOPIC" }],
    },
  },
  async run(flags, topic) {
    const { count: wanted = 1, timeout } = flags;
    const over = new AbortController();
    const cancel = setPatientTimer(this.clock, () => over.abort(new Expired()), timeout);
    const { eventPrinter } = await load<typeof import("./reading/printer.ts")>(
      "./reading/printer.ts",
    );
    const print = eventPrinter(this, { raw: flags.raw, topics: topic.includes("*") });
    let seen = 0;
    try {
      const feed = openFeed(await this.client(), {
        query: {
          topic: [topic],
          from: flags.from ?? "start",
          type: flags.type === undefined ? undefined : [...flags.type],
          where: flags.where,
          follow: "1",
        },
        clock: this.clock,
        say: (words) => this.say(words),
        onMissed: (missed) => this.say(`evs: ${missedText(missed)}`),
        signal: over.signal,
      });
      for await (const block of feed.blocks) {
        const { bytes, lines } = firstLines(block, wanted - seen);
        await print(bytes);
        seen += lines;
        if (seen >= wanted) return;
      }
    } catch (error) {
      if (!(error instanceof Expired)) throw error;
      throw new TimeoutError(
        `saw ${seen} of ${plural(wanted, "event")} in ${topic} within ${formatDuration(timeout)}`,
        { hint: `evs replay ${topic}`, details: { topic, seen, expected: wanted, timeout } },
      );
    } finally {
      cancel();
    }
  },
});

class Expired extends Error {
  override name = "Expired";
}

/** The first `most` lines of a block. */
function firstLines(block: Uint8Array, most: number): { bytes: Uint8Array; lines: number } {
  let lines = 0;
  let end = 0;
  while (lines < most && end < block.length) {
    end = block.indexOf(LF, end) + 1;
    lines++;
  }
  return { bytes: block.subarray(0, end), lines };
}
