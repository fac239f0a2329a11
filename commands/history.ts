/** `evs history`: what happened in the last 72 hours, step by step. */
import { formatBytes, formatDuration, parseDuration } from "../core/base/units.ts";
import { InvalidArgumentError } from "../core/base/errors.ts";
import { readHistory } from "../core/client/history.ts";
import { parseOffset } from "../core/event/offset.ts";
import type { HistoryColumn, HistoryReply } from "../core/protocol/history.ts";
import type { EvsContext } from "./cli/context.ts";
import { textFlag, verb } from "./cli/define.ts";
import { load } from "./cli/lazy.ts";
import { formatLocalTime, localOffset } from "./terminal/local_time.ts";

type HistoryFlags = {
  topic?: string;
  subscription?: string;
  from?: string;
  until?: string;
  step?: string;
};

/** What one step says. */
interface Step {
  /** Unix ms. */
  from: number;
  until: number;
  /** For how long of it a daemon ran, as far as it is known, ms. */
  covered: number;
  [column: string]: number | null;
}

/** As many steps as a screen has lines, or fewer. */
const LINES = 25;
/** Lengths of steps that are chosen. */
const STEPS = ["1m", "5m", "10m", "30m", "1h", "3h", "6h"];
const DAY = "@-24h";

export const route = verb<HistoryFlags>({
  brief: "Show what happened in the last 72 hours",
  description:
    "Shows what the daemon counted and measured, a line for each step: what was published, acknowledged, failed and became dead, and the greatest of what was pending, dead and so on. A terminal leaves out steps in which no daemon ran. Kept are steps of a minute for three hours, and of ten minutes for 72. JSON has one line for each step, with null for what is not known.",
  examples: [
    ["history", "The daemon's last 24 hours."],
    ["history --topic orders --from @-1h", "One topic in the last hour."],
    ["history --from @-72h --step 6h", "Three days, by six hours."],
    ["history --json | jq -s 'map(.published) | add'", "How much was published in a day."],
  ],
  parameters: {
    flags: {
      topic: textFlag("This topic, not the daemon as a whole", "TOPIC"),
      subscription: textFlag("This subscription", "SUBSCRIPTION"),
      from: {
        kind: "parsed",
        parse: timeOffset,
        brief: `Begin at this time; default ${DAY}`,
        placeholder: "TIME",
        optional: true,
      },
      until: {
        kind: "parsed",
        parse: timeOffset,
        brief: "End with this time; default now",
        placeholder: "TIME",
        optional: true,
      },
      step: {
        kind: "parsed",
        parse: wholeMinutes,
        brief: `How long each step is: ${STEPS[0]} to 3d; default as fits ${LINES} lines`,
        placeholder: "DURATION",
        optional: true,
      },
    },
    positional: { kind: "tuple", parameters: [] },
  },
  async run(this: EvsContext, flags: HistoryFlags): Promise<void> {
    const { topic, subscription, from = DAY, until } = flags;
    if (topic !== undefined && subscription !== undefined) {
      throw new InvalidArgumentError("--topic or --subscription: one of them at a time");
    }
    const step = flags.step ?? chosenStep(this.clock.now(), { from, until });
    const reply = await readHistory(await this.client(), {
      topics: topic === undefined ? [] : [topic],
      subscriptions: subscription === undefined ? [] : [subscription],
      from,
      ...(until === undefined ? {} : { until }),
      step,
    });
    const [series, cells] = seriesOf(reply);
    const steps = stepsOf(reply, series);
    if (!this.forPeople) {
      return await this.printLines(steps.map((one) => `${JSON.stringify(one)}\n`).join(""));
    }
    const known = steps.filter(({ covered }) => covered > 0);
    if ("kept" in series && series.kept === false) {
      this.say("it has no history: only the current step is known");
    }
    if (known.length === 0) return this.note("nothing is known of that time");
    await printTrends(this, series, reply.step);
    await this.printRows(known, (one) => ({ time: timeOf(one.from), ...cells(one) }));
  },
});

/** A time as typed; without a zone it is local. */
function timeOffset(text: string): string {
  const offset = localOffset(text);
  const isTime = /^@/.test(offset) && ["ago", "time"].includes(parseOffset(offset).kind);
  if (isTime) return offset;
  throw new SyntaxError("a time is needed, such as @-24h or @2026-11-23T10:00");
}

function wholeMinutes(text: string): string {
  if (/^([1-9]\d{0,3}m|[1-9]\d?h|[1-3]d)$/.test(text)) return text;
  throw new SyntaxError("a step is a number with a unit, such as 1m, 10m or 1h, up to 3d");
}

/** The shortest step with which a time fits on a screen. */
function chosenStep(
  now: number,
  { from, until }: { from: string; until: string | undefined },
): string {
  const timeOf = (text: string) => {
    const offset = parseOffset(text);
    return offset.kind === "ago" ? now - offset.ms : offset.kind === "time" ? offset.at : now;
  };
  const length = (until === undefined ? now : timeOf(until)) - timeOf(from);
  const fits = (step: string) => length / parseDuration(step) < LINES;
  return STEPS.find(fits) ?? STEPS.at(-1)!;
}

type Cells = (step: Step) => Record<string, unknown>;

/** What was asked for, and what a terminal shows of it. */
function seriesOf({ daemon, topics, subscriptions }: HistoryReply): [series: object, Cells] {
  const [topic] = topics ?? [];
  if (topic) {
    return [topic, ({ published, events, bytes, lastSeq }) => ({
      published,
      events,
      bytes: size(bytes),
      "last seq": lastSeq,
    })];
  }
  const [subscription] = subscriptions ?? [];
  if (subscription) {
    return [subscription, (one) => ({
      acked: one["acknowledged"],
      failed: one["failed"],
      dead: one["dead"],
      pending: one["pending"],
      leased: one["leased"],
      retries: one["scheduled"],
      dlq: one["deadLetters"],
      oldest: age(one["oldestPendingMs"]),
    })];
  }
  return [daemon!, (one) => ({
    published: one["published"],
    acked: one["acknowledged"],
    failed: one["failed"],
    dead: one["dead"],
    pending: one["pending"],
    dlq: one["deadLetters"],
    memory: size(one["memory"]),
    free: size(one["diskFree"]),
  })];
}

function stepsOf({ from, step, covered }: HistoryReply, series: object): Step[] {
  const columns = Object.entries(series).filter(([, column]) => Array.isArray(column)) as [
    string,
    HistoryColumn,
  ][];
  return covered.map((ms, i) => ({
    from: from + i * step,
    until: from + (i + 1) * step,
    covered: ms,
    ...Object.fromEntries(columns.map(([name, column]) => [name, column[i] ?? null])),
  }));
}

/** Those that are drawn, as far as what was asked for has them. */
const TRENDS = { published: "published", acknowledged: "acked", pending: "pending", dead: "dead" };

/** A line of bars for what is looked at first. */
async function printTrends(context: EvsContext, series: object, step: number): Promise<void> {
  const { sparkline } = await load<typeof import("./terminal/sparkline.ts")>(
    "./terminal/sparkline.ts",
  );
  const { formatCount, formatFacts } = await load<typeof import("./terminal/table.ts")>(
    "./terminal/table.ts",
  );
  const facts: Record<string, string> = {};
  for (const [name, label] of Object.entries(TRENDS)) {
    const column = (series as Record<string, HistoryColumn | undefined>)[name];
    if (column === undefined) continue;
    const most = column.reduce((most: number, value) => Math.max(most, value ?? 0), 0);
    const unit = name === "pending" ? "" : ` in ${formatDuration(step)}`;
    facts[label] = `${sparkline(column)}  at most ${formatCount(most)}${unit}`;
  }
  await context.stdout.write(`${formatFacts(facts, { paint: context.paint })}\n`);
}

/** Month, day and minute. */
function timeOf(ms: number): string {
  return formatLocalTime(ms).slice(5, 16);
}

function size(bytes: number | null | undefined): string | null {
  return bytes === null || bytes === undefined ? null : formatBytes(bytes);
}

/** In whole seconds. */
function age(ms: number | null | undefined): string | null {
  if (ms === null || ms === undefined) return null;
  return ms === 0 ? "-" : formatDuration(Math.max(1000, Math.round(ms / 1000) * 1000));
}
