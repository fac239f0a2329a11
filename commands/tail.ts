/** `evs tail`: the last events, and new ones as they arrive. */
import { InvalidArgumentError, RemoteError } from "../core/base/errors.ts";
import type { Client } from "../core/client/client.ts";
import type { EvsContext } from "./cli/context.ts";
import { count, verb } from "./cli/define.ts";
import { load } from "./cli/lazy.ts";
import { missedText } from "../core/reading/missed.ts";
import { openFeed } from "../core/client/feed.ts";
import { ClosedPipe } from "./terminal/output.ts";
import {
  checkOutputFlags,
  conversionOf,
  type OutputFlags,
  outputFlags,
  type SelectionFlags,
  selectionFlags,
  topicsArgument,
} from "./reading/flags.ts";
import { FORMAT_HELP } from "./reading/format.ts";

/** How many events to show first. */
const SHOWN_FIRST = 10;

interface TailFlags extends SelectionFlags, OutputFlags {
  lines?: number;
  lastPerKey?: boolean;
  follow?: boolean;
}

export const route = verb<TailFlags, string[]>({
  brief: "Follow topics as events arrive",
  description:
    "Shows the last 10 events, then new ones. It waits for a topic that does not exist yet, and continues without a " +
    "gap when the daemon is restarted. With --last-per-key it shows first the newest event of each key among what is " +
    "stored, in the order of the topic, and none without a key. In a pipe each event is one line of JSON, which publish --envelope accepts; " +
    "with --cloudevents it is a CloudEvent, which publish --cloudevents accepts.\n" +
    FORMAT_HELP,
  usage: [
    "TOPIC... [-n N | --from OFFSET] [--last-per-key] [--type TYPE]... [--where EXPRESSION] [--no-follow] [--raw | --format FORMAT | --cloudevents]",
  ],
  examples: [
    ["tail users", "The last 10 events, then new ones."],
    ["tail 'orders.*' -n 0 --type order.paid", "Payments of all order topics, from now on."],
    ["tail orders --last-per-key --no-follow", "The newest event of each order."],
    ["tail users --from @-15m --no-follow", "The last quarter of an hour."],
    [String.raw`tail orders --format '%T %k %{/total}\n'`, "Time, key and total of each order."],
    ["tail log --where 'payload.status >= 500' | jq .payload", "Failed requests, as they happen."],
  ],
  parameters: {
    flags: {
      lines: {
        kind: "parsed",
        parse: count,
        brief: "Start with the last N events that match; default 10",
        placeholder: "N",
        optional: true,
      },
      ...selectionFlags,
      lastPerKey: {
        kind: "boolean",
        brief: "Start with the newest event of each key",
        optional: true,
      },
      follow: {
        kind: "boolean",
        brief: "Wait for new events; the default",
        withNegated: true,
        optional: true,
      },
      ...outputFlags,
    },
    aliases: { n: "lines", f: "follow" },
    positional: topicsArgument,
  },
  async run(flags, ...topics) {
    checkOutputFlags(flags, "tail");
    if (flags.lines !== undefined && flags.from !== undefined) {
      throw new InvalidArgumentError("-n and --from exclude each other", {
        code: "argument/usage",
        hint: "evs tail --help",
      });
    }
    if (flags.lines !== undefined && flags.lastPerKey) {
      throw new InvalidArgumentError("-n and --last-per-key exclude each other", {
        code: "argument/usage",
        hint: "evs tail --help",
      });
    }
    const lines = flags.lines ?? SHOWN_FIRST;
    const begin = flags.lastPerKey ? "start" : lines === 0 ? "end" : `-${lines}`;
    const { eventPrinter } = await load<typeof import("./reading/printer.ts")>(
      "./reading/printer.ts",
    );
    const print = eventPrinter(this, {
      raw: flags.raw,
      format: flags.format,
      convert: await conversionOf(flags),
      topics: topics.length > 1 || topics.some((topic) => topic.includes("*")),
    });
    const client = await this.client();
    if (flags.follow !== false) await tellAbsent(this, { client, topics });
    const feed = openFeed(client, {
      query: {
        topic: topics,
        from: flags.from ?? begin,
        lastPerKey: flags.lastPerKey ? "1" : undefined,
        type: flags.type === undefined ? undefined : [...flags.type],
        where: flags.where,
        ...(flags.follow === false ? {} : { follow: "1" }),
      },
      clock: this.clock,
      say: (text) => this.say(text),
      onMissed: (missed) => this.say(`evs: ${missedText(missed)}`),
      signal: await closedPipeSignal(this),
    });
    for await (const block of feed.blocks) await print(block);
  },
});

/**
 * Says that a topic does not exist: waiting silently for a misspelt topic would look like waiting
 * for events.
 */
async function tellAbsent(
  context: EvsContext,
  { client, topics }: { client: Client; topics: readonly string[] },
): Promise<void> {
  for (const topic of topics) {
    if (topic.includes("*")) continue;
    try {
      await client.topic(topic);
    } catch (error) {
      if (!(error instanceof RemoteError) || error.code !== "topic/not-found") throw error;
      context.say(`topic ${topic} is not there yet; its events will be shown when it is`);
    }
  }
}

/** Aborted when the reader of our output has gone. */
async function closedPipeSignal(context: EvsContext): Promise<AbortSignal | undefined> {
  if (context.stdout.isTerminal) return undefined;
  const { readerGone } = await load<typeof import("./terminal/reader_gone.ts")>(
    "./terminal/reader_gone.ts",
  );
  const closed = new AbortController();
  void readerGone().then(() => closed.abort(new ClosedPipe()));
  return closed.signal;
}
