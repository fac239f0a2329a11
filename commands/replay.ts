/** `evs replay`: prints stored events, or publishes them to another topic. */
import { InvalidArgumentError } from "../core/base/errors.ts";
import type { EvsContext } from "./cli/context.ts";
import { count, textFlag, verb } from "./cli/define.ts";
import { load } from "./cli/lazy.ts";
import { countLines, type Feed, openFeed } from "../core/client/feed.ts";
import { missedText } from "../core/reading/missed.ts";
import { passing } from "./reading/overlap.ts";
import {
  checkOutputFlags,
  conversionOf,
  type OutputFlags,
  outputFlags,
  printingFlags,
  type SelectionFlags,
  selectionFlags,
  topicsArgument,
} from "./reading/flags.ts";
import { FORMAT_HELP } from "./reading/format.ts";
import { compilePattern, isPattern } from "../core/event/topic_options.ts";
import { seqAt } from "../core/client/positions.ts";
import { Progress } from "./terminal/progress.ts";
import { typedOffset } from "./terminal/local_time.ts";

interface ReplayFlags extends SelectionFlags, OutputFlags {
  to?: string;
  limit?: number;
  reverse?: boolean;
  speed?: number;
  into?: string;
  dryRun?: boolean;
}

export const route = verb<ReplayFlags, string[]>({
  brief: "Print or republish stored events",
  description:
    "Prints the events from the start, or OFFSET, up to the current end. Several topics are merged by time. " +
    "With --reverse the newest event of the range comes first, and --limit N ends after the N newest.\n" +
    "In a pipe each event is one line of JSON, with its payload byte for byte as published.\n" +
    "With --into, that topic itself is left out if a pattern matches it; named, it is refused.\n" +
    FORMAT_HELP,
  usage: [
    "TOPIC... [--from OFFSET] [--to OFFSET] [--type TYPE]... [--where EXPRESSION] [--limit N] [--reverse | --speed 1x|10x|max] [--raw | --format FORMAT | --cloudevents]",
    "TOPIC... --into TOPIC [--dry-run] [the same]",
  ],
  examples: [
    ["replay users | jq -r .payload.username", "All events, one line of JSON each."],
    ["replay log --type line --raw >app.log", "Text, as it was published with --lines."],
    [
      "replay users --cloudevents | evs publish copy --cloudevents",
      "As CloudEvents, with their attributes.",
    ],
    ["replay users --from 100 --to 199", "A range of seqs, both inclusive."],
    ["replay orders --reverse --type order.failed --limit 3", "The three newest failures."],
    [
      "replay orders payments --from @-1d --speed 10x",
      "The last day, at ten times the original pace.",
    ],
    [
      "replay orders --type order.failed --into orders.retry --dry-run",
      "How many would be republished.",
    ],
  ],
  parameters: {
    flags: {
      ...selectionFlags,
      to: {
        kind: "parsed",
        parse: typedOffset,
        brief: "Where to end: a seq is included, a time is not",
        placeholder: "OFFSET",
        optional: true,
      },
      limit: {
        kind: "parsed",
        parse: count,
        brief: "At most N events",
        placeholder: "N",
        optional: true,
      },
      reverse: { kind: "boolean", brief: "Newest first", optional: true },
      speed: {
        kind: "parsed",
        parse: parseSpeed,
        brief: "At the original pace (1x), a multiple of it, or max, the default",
        placeholder: "1x|10x|max",
        optional: true,
      },
      into: textFlag(
        "Publish them to this topic, with their ids, instead of printing them",
        "TOPIC",
      ),
      dryRun: { kind: "boolean", brief: "Only count them", optional: true },
      ...outputFlags,
    },
    positional: topicsArgument,
  },
  async run(flags, ...topics) {
    checkFlags(flags);
    if (flags.into !== undefined && topics.includes(flags.into)) {
      throw new InvalidArgumentError(`cannot replay ${flags.into} into itself`, {
        code: "argument/usage",
        hint: "its events are there already: name another topic",
      });
    }
    // Those that were copied before would be copied again with each replay.
    const leftOut = flags.into !== undefined && topics.some((topic) => covers(topic, flags.into!))
      ? flags.into
      : undefined;
    if (leftOut !== undefined) {
      this.say(`evs: ${leftOut} is left out: its events are not copied into itself`);
    }
    const feed = openFeed(await this.client(), {
      query: {
        topic: topics,
        from: flags.from,
        to: flags.to,
        type: flags.type === undefined ? undefined : [...flags.type],
        where: flags.where,
        limit: flags.limit,
        reverse: flags.reverse ? "1" : undefined,
        except: leftOut,
      },
      clock: this.clock,
      say: (words) => this.say(words),
      onMissed: (missed) => this.say(`evs: ${missedText(missed)}`),
      // Both sides of it wait for the same daemon.
      ...(flags.into === undefined ? {} : { patienceMs: this.reconnectMs }),
    });
    const { speed = Infinity } = flags;
    const paced = speed === Infinity
      ? feed.blocks
      : (await load<typeof import("./reading/pace.ts")>("./reading/pace.ts"))
        .paceBlocks(feed.blocks, { speed, clock: this.clock });
    if (flags.dryRun) return await countOnly(this, { topics, into: flags.into, blocks: paced });
    if (flags.into !== undefined) return await republish(this, { into: flags.into, blocks: paced });
    await printAll(this, { feed, blocks: paced, flags, topics });
  },
});

function checkFlags(flags: ReplayFlags): void {
  checkOutputFlags(flags, "replay");
  checkReverse(flags);
  const [printing] = printingFlags(flags);
  const other = flags.into !== undefined ? "--into" : flags.dryRun ? "--dry-run" : undefined;
  if (printing === undefined || other === undefined) return;
  throw new InvalidArgumentError(`${printing} does not go with ${other}: no events are printed`, {
    code: "argument/usage",
    hint: "evs replay --help",
  });
}

function checkReverse({ reverse, into, speed = Infinity }: ReplayFlags): void {
  if (!reverse) return;
  const why = into !== undefined
    ? "--into: a topic gets its events in the order in which they happened"
    : speed !== Infinity
    ? "--speed: the time between events does not run backwards"
    : undefined;
  if (why === undefined) return;
  throw new InvalidArgumentError(`--reverse does not go with ${why}`, {
    code: "argument/usage",
    hint: "evs replay --help",
  });
}

/** True if this is a pattern that matches the topic. */
function covers(pattern: string, topic: string): boolean {
  return isPattern(pattern) && compilePattern(pattern)(topic);
}

async function printAll(
  context: EvsContext,
  options: {
    feed: Feed;
    blocks: AsyncIterable<Uint8Array>;
    flags: OutputFlags;
    topics: readonly string[];
  },
): Promise<void> {
  const { feed, topics, flags } = options;
  const { raw, format } = flags;
  const convert = await conversionOf(flags);
  const print = context.stdout.isTerminal || printingFlags(flags).length > 0
    ? (await load<typeof import("./reading/printer.ts")>("./reading/printer.ts")).eventPrinter(
      context,
      {
        raw,
        format,
        convert,
        topics: topics.length > 1 || topics.some((topic) => topic.includes("*")),
      },
    )
    : (block: Uint8Array) => context.stdout.write(block);
  using progress = new Progress({
    output: context.stderr,
    enabled: context.stderr.isTerminal && !context.stdout.isTerminal && !context.quiet,
    now: () => context.clock.monotonic(),
  });
  let bytes = 0;
  await passing(context.stdout)(options.blocks, async (block) => {
    await print(block);
    bytes += block.length;
    progress.update(() => {
      const seq = seqAt(block, block.lastIndexOf(0x0a, block.length - 2) + 1);
      const of = feed.endSeq === undefined ? "" : ` of ${feed.endSeq}`;
      return `seq ${seq}${of}, ${(bytes / 2 ** 20).toFixed(0)} MiB`;
    });
  });
}

async function republish(
  context: EvsContext,
  { into, blocks }: { into: string; blocks: AsyncGenerator<Uint8Array, void, undefined> },
): Promise<void> {
  const { publishStream } = await load<typeof import("./publisher/stream.ts")>(
    "./publisher/stream.ts",
  );
  await publishStream(context, {
    topic: into,
    query: { onError: "stop" },
    skip: 0,
    async next() {
      const block = await blocks.next();
      return block.done ? null : block.value;
    },
    goOn: () => "the same command again: what is stored is not stored twice",
  });
}

async function countOnly(
  context: EvsContext,
  options: { topics: readonly string[]; into?: string; blocks: AsyncIterable<Uint8Array> },
): Promise<void> {
  let events = 0;
  for await (const block of options.blocks) events += countLines(block);
  const result = { topics: options.topics, into: options.into, events, dryRun: true };
  await context.printFacts(result, () => ({
    "would replay": `${events} events of ${options.topics.join(", ")}`,
    into: options.into,
  }));
}

/** `1x`, `10x`, `0.5x` or `max`. */
function parseSpeed(input: string): number {
  if (input === "max") return Infinity;
  const factor = Number(/^(\d+(?:\.\d+)?)x?$/.exec(input)?.[1]);
  if (!(factor > 0)) throw new SyntaxError("a speed is 1x, 10x, 0.5x or max");
  return factor;
}
