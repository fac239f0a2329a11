/** `evs dlq group`: one cause of dead letters, what was noted about it, and what to type next. */
import type { DeadLetterGroupDetail } from "../../core/protocol/dead_letter_groups.ts";
import type { EvsContext } from "../cli/context.ts";
import { verb } from "../cli/define.ts";
import { ago } from "../terminal/age.ts";
import type { Palette } from "../terminal/colour.ts";
import { escapeText } from "../terminal/escape.ts";
import { sparkline } from "../terminal/sparkline.ts";
import { formatFacts, formatTime, plural } from "../terminal/table.ts";
import { groupArgument, groupsOf } from "./group_act.ts";

export const route = verb<NonNullable<unknown>, [string]>({
  brief: "Show a group of dead letters with its notes and samples",
  description:
    "Shows how many dead letters with one cause there are and ever were, when they came (one bar for each of the last 24 hours), what was noted about them and done about them, some of them as samples, and the commands to type next.",
  examples: [
    ["dlq group 0ggcxb", "what is known of this cause"],
    ["dlq group 0ggcxb --json | jq -r '.notes[].text'", "what was noted about it"],
  ],
  parameters: { positional: groupArgument },
  async run(this: EvsContext, _flags, id: string): Promise<void> {
    const group = await (await groupsOf(this)).get(id);
    if (!this.forPeople) return this.printJson(group);
    await this.stdout.write(
      describeGroup(group, { paint: this.paint, now: this.clock.now() }),
    );
  },
});

/** Formats a group for people. */
export function describeGroup(
  group: DeadLetterGroupDetail,
  { paint, now }: { paint: Palette; now: number },
): string {
  const { notes, samples, subscriptions } = group;
  const whose = subscriptions.length === 0 ? "" : ` (${subscriptions.join(", ")})`;
  const facts = formatFacts({
    group: group.id,
    reason: group.reason,
    state: stateWords(group, now),
    "there now": `${group.count}${whose}`,
    "there ever": group.total,
    "first seen": seen(group.firstAt, now),
    "last seen": seen(group.lastAt, now),
    trend: `${sparkline(group.hours)}  ${group.hour} in the last hour, ${group.day} in 24 hours`,
    notes: some(notes.map(({ at, by, text }) => `${formatTime(at)}${byWords(by)}: ${text}`)),
    samples: some(
      samples.map(({ subscription, id, at, present }) =>
        `${subscription}:${id}, ${ago(now - at)}${present ? "" : ", not there any more"}`
      ),
    ),
  }, { paint });
  const lines = nextCommands(group).map(([what, command]) =>
    `${paint.dim(`${what}:`)} ${escapeText(command)}\n`
  );
  return `${facts}\n${lines.join("")}`;
}

/** An empty list is not shown. */
function some(lines: readonly string[]): readonly string[] | undefined {
  return lines.length === 0 ? undefined : lines;
}

/** What to type next. */
function nextCommands({ id, state, count, samples }: DeadLetterGroupDetail): [string, string][] {
  const sample = samples.find(({ present }) => present);
  return [
    ...sample
      ? [["look at one", `evs dlq show ${sample.subscription}:${sample.id}`] as [string, string]]
      : [],
    ...count > 0 ? [["send them again", `evs dlq retry --group ${id}`] as [string, string]] : [],
    ...state === "open"
      ? [
        ["the cause is gone", `evs dlq resolve ${id}`] as [string, string],
        ["it does not matter", `evs dlq dismiss ${id}`] as [string, string],
      ]
      : [["open it again", `evs dlq reopen ${id}`] as [string, string]],
    ["note something", `evs dlq note ${id} TEXT`],
  ];
}

function stateWords({ state, act, more }: DeadLetterGroupDetail, now: number): string {
  if (act === undefined) return state;
  const when = ago(now - act.at);
  if (act.act === "return") return `open: it came back ${when}`;
  const how = act.act === "reopen" ? `open: reopened${byWords(act.by)}` : state + byWords(act.by);
  const until = more === undefined ? "" : `; it opens after ${plural(more, "more dead letter")}`;
  return `${how} ${when}${until}`;
}

function byWords(by: string | undefined): string {
  return by === undefined ? "" : ` by ${by}`;
}

function seen(at: number, now: number): string {
  return `${ago(now - at)} (${formatTime(at)})`;
}
