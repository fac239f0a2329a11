/** `evs redact`. */
import { MOST_OF_BY } from "../core/event/redaction.ts";
import type { RedactReply } from "../core/protocol/redaction.ts";
import { plainText, verb } from "./cli/define.ts";
import type { EvsContext } from "./cli/context.ts";
import { plural } from "./terminal/table.ts";

type RedactFlags = { reason?: string; yes: boolean };

export const route = verb<RedactFlags, [topic: string, event: string]>({
  brief: "Erase what an event says, wherever it is kept",
  description:
    "For the password that somebody published. Replaces the payload, the metadata and the key of one event where they lie: " +
    "in the topic, in dead letters with what their handlers printed, in retries, in what is scheduled or spooled. The old bytes are then in no file of the " +
    "data dir, and in no later backup. Seq, id and type stay; the metadata says when, by whom and why. Where the event is " +
    "still to be delivered, it is not. What was delivered, printed or copied before is out of reach: other topics, edited " +
    "dead letters, older backups (evs restore applies what the data dir knows). The database is read through, which takes " +
    "a moment where it is large. Asks for confirmation; in a script, --yes is required.",
  examples: [
    ["redact users 42 --reason 'a password'", "Says what it will erase, and asks."],
    ["redact users 43 --yes", "In a script."],
  ],
  parameters: {
    flags: {
      reason: {
        kind: "parsed",
        parse: plainText,
        brief: "Why; kept, and shown to every reader",
        placeholder: "TEXT",
        optional: true,
      },
      yes: { kind: "boolean", brief: "Do not ask for confirmation", default: false },
    },
    aliases: { y: "yes" },
    positional: {
      kind: "tuple",
      parameters: [
        { parse: plainText, brief: "The topic", placeholder: "TOPIC" },
        { parse: plainText, brief: "A seq or an id", placeholder: "SEQ|ID" },
      ],
    },
  },
  async run(this: EvsContext, flags: RedactFlags, topic: string, event: string): Promise<void> {
    const client = await this.client();
    const question = `Erase what event ${event} of ${topic} says? It cannot be undone.`;
    const { yes } = flags;
    if (!await this.confirm(question, { yes, declined: "nothing was redacted" })) return;
    const by = (this.env("USER") ?? this.env("LOGNAME"))?.slice(0, MOST_OF_BY);
    const { reason } = flags;
    const reply = await client.redact(topic, event, {
      ...(reason === undefined ? {} : { reason }),
      ...(by ? { by } : {}),
    });
    if (this.forPeople) this.say(wordsOf(reply));
    else this.printJson(reply);
  },
});

function wordsOf({ topic, seq, id, created, deadLetters, undelivered }: RedactReply): string {
  const event = seq === 0
    ? `event ${id} of ${topic}, not published yet,`
    : `event ${seq} of ${topic} (${id})`;
  if (!created) return `${event} was redacted before`;
  const also = [
    ...deadLetters > 0 ? [`with ${plural(deadLetters, "dead letter")}`] : [],
    ...undelivered > 0 ? [`${plural(undelivered, "subscription")} will not get it`] : [],
  ];
  return [`${event} is redacted`, ...also].join(", ");
}
