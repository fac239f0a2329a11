/** `evs subscription seek`: moves a subscription back or forth. */
import type { SeekReply } from "../../core/protocol/protocol.ts";
import { missedText } from "../../core/reading/missed.ts";
import type { EvsContext } from "../cli/context.ts";
import { plainText, verb } from "../cli/define.ts";
import { plural } from "../terminal/table.ts";
import { typedOffset } from "../terminal/local_time.ts";

type SeekFlags = { dryRun: boolean; yes: boolean };

export const route = verb<SeekFlags, [string, string]>({
  brief: "Move a subscription to another position",
  description:
    "Moves a subscription to an offset. Moving back redelivers events; moving forward skips them. Says how many, and asks for confirmation; in a script, --yes is required.",
  examples: [
    ["subscription seek mailer start --dry-run", "what would be redelivered"],
    ["subscription seek mailer @-1h --yes", "redeliver the last hour"],
    ["subscription seek mailer end --yes", "skip what is pending"],
  ],
  parameters: {
    flags: {
      dryRun: { kind: "boolean", brief: "Only print what would be done", default: false },
      yes: { kind: "boolean", brief: "Do not ask for confirmation", default: false },
    },
    positional: {
      kind: "tuple",
      parameters: [
        { parse: plainText, brief: "The subscription", placeholder: "NAME" },
        { parse: typedOffset, brief: "start, end, a seq, -N, @time", placeholder: "OFFSET" },
      ],
    },
  },
  run: seekSubscription,
});

async function seekSubscription(
  this: EvsContext,
  flags: SeekFlags,
  name: string,
  to: string,
): Promise<void> {
  const client = await this.client();
  let reply = await client.seekSubscription(name, { to, dryRun: true });
  if (!flags.dryRun && (reply.redo > 0 || reply.skip > 0)) {
    const question = `This ${effectOf(reply)}. Move ${name}?`;
    const { yes } = flags;
    if (!await this.confirm(question, { yes, declined: `${name} stays where it is` })) return;
  }
  if (!flags.dryRun) reply = await client.seekSubscription(name, { to });
  for (const missed of reply.missed ?? []) this.say(`evs: ${missedText(missed)}`);
  if (!this.forPeople) return this.printJson(reply);
  for (const { topic, from, to } of reply.topics) this.print(`${topic}: ${from} -> ${to}`);
  this.print(flags.dryRun ? `This ${effectOf(reply)}.` : `Moved: it ${effectOf(reply)}.`);
}

/** The effect of a seek on the events in between. */
export function effectOf(reply: Pick<SeekReply, "redo" | "skip">): string {
  const parts = [
    ...(reply.redo > 0 ? [`delivers ${plural(reply.redo, "event")} again`] : []),
    ...(reply.skip > 0 ? [`skips ${plural(reply.skip, "event")} for good`] : []),
  ];
  return parts.length === 0 ? "moves nothing" : parts.join(" and ");
}
