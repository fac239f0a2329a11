/** `evs dlq show`: one failed event with every attempt. */
import type { Client } from "../../core/client/client.ts";
import type { SchemaVerdict } from "../../core/protocol/schemas.ts";
import { EvsError } from "../../core/base/errors.ts";
import type { DeadLetterDetail } from "../../core/protocol/protocol.ts";
import { formatDuration } from "../../core/base/units.ts";
import { type Attempt, unansweredOf } from "../../core/event/attempt.ts";
import { stripColours } from "../../core/base/ansi.ts";
import type { EvsContext } from "../cli/context.ts";
import { verb } from "../cli/define.ts";
import type { Palette } from "../terminal/colour.ts";
import { escapeLines, escapeText } from "../terminal/escape.ts";
import { formatFacts, formatTime } from "../terminal/table.ts";
import { argumentsFor, fetchDetails } from "./details.ts";
import { idArgument, topicFlag } from "./selection.ts";

type ShowFlags = { topic?: string };

export const route = verb<ShowFlags, [string]>({
  brief: "Show a dead letter with all its attempts",
  description:
    "Shows the event and each attempt: time, duration, result, and the end of its stderr. An event id shows the dead letter of every subscription that gave up on it; SUBSCRIPTION:ID shows one. If several topics have an event with this id, --topic selects one.",
  examples: [
    ["dlq show o-17", "what happened to this event"],
    ["dlq show mailer:o-17 --json", "the same as JSON, the payload byte for byte"],
    ["dlq show mailer:o-17 --topic orders", "if other topics have an event o-17, too"],
  ],
  parameters: {
    flags: { ...topicFlag },
    positional: idArgument,
  },
  run: showDeadLetter,
});

async function showDeadLetter(this: EvsContext, flags: ShowFlags, id: string): Promise<void> {
  const client = await this.client();
  const details = await fetchDetails(client, { id, topic: flags.topic });
  for (const [index, { text: raw, detail, payload }] of details.entries()) {
    if (!this.forPeople) {
      await this.printLines(`${raw}\n`);
      continue;
    }
    if (index > 0) await this.stdout.write("\n");
    const schema = await schemaVerdict(client, detail.type, payload);
    const maxDeliveries = await maxDeliveriesOf(client, detail.subscription);
    const name = argumentsFor(detail, { among: details, isNarrowed: flags.topic !== undefined });
    const { paint } = this;
    const about = { payload, schema, name, maxDeliveries, paint };
    await this.stdout.write(describeDeadLetter(detail, about));
  }
}

/** What the current schema says about the payload. */
async function schemaVerdict(client: Client, type: string, payload: string): Promise<string> {
  try {
    const response = await client.checkSchema(type, payload);
    for await (const line of response.lines()) {
      const { valid, version, faults = [] } = JSON.parse(
        new TextDecoder().decode(line),
      ) as SchemaVerdict;
      if (valid) return `valid against ${version}`;
      const named = faults.map(({ pointer, message }) => `${pointer || "the payload"} ${message}`);
      return `refused by ${version}: ${named.join("; ")}`;
    }
  } catch (error) {
    if (!(error instanceof EvsError) || error.status !== 404) throw error;
  }
  return "none registered";
}

/** What the subscription allows now; undefined where it is gone. */
async function maxDeliveriesOf(client: Client, subscription: string): Promise<number | undefined> {
  try {
    return (await client.subscription(subscription)).settings.maxDeliveries;
  } catch (error) {
    if (error instanceof EvsError && error.status === 404) return undefined;
    throw error;
  }
}

/**
 * Formats a dead letter for people. `schema`: the schema's verdict on the payload; `name`: the
 * arguments that identify it; `maxDeliveries`: what its subscription allows.
 */
export function describeDeadLetter(
  detail: DeadLetterDetail,
  options: {
    payload: string;
    schema: string;
    name?: string;
    maxDeliveries?: number | undefined;
    paint: Palette;
  },
): string {
  const { paint, name = argumentsFor(detail, { among: [] }) } = options;
  const facts = formatFacts({
    event: `${detail.topic} ${detail.seq}`,
    id: detail.id,
    type: detail.type,
    key: detail.key,
    subscription: detail.subscription,
    died: formatTime(detail.diedAt),
    reason: detail.reason,
    unanswered: unansweredWords(detail.attempts, options.maxDeliveries),
    "edited from": detail.editedFrom,
    "edited as": detail.editedAs,
    payload: options.payload,
    schema: options.schema,
  }, { paint });
  const attempts = detail.attempts.map((attempt) => describeAttempt(attempt, paint));
  const retry = `evs dlq retry ${name}`;
  const edit = `evs dlq edit ${name}`;
  return `${facts}\n${attempts.join("")}\n${paint.dim("send it again:")} ${escapeText(retry)}\n${
    paint.dim("fix it first:")
  } ${escapeText(edit)}\n`;
}

/** How many deliveries ended without an answer, and how many may. */
function unansweredWords(attempts: readonly Attempt[], most: number | undefined): string {
  const count = unansweredOf(attempts);
  const words = count === 0 ? "none" : `${count} ${count === 1 ? "delivery" : "deliveries"}`;
  return most === undefined ? words : `${words} (max deliveries ${most})`;
}

function describeAttempt(attempt: Attempt, paint: Palette): string {
  const end = attempt.signal !== undefined
    ? attempt.signal
    : attempt.exitCode !== undefined
    ? `exit ${attempt.exitCode}`
    : attempt.outcome;
  // An exit code and a line of stderr, which follows in full.
  const isTold = attempt.stderr !== undefined && attempt.error.startsWith("exit code ");
  const { delivery = 1, unanswered = 0 } = attempt;
  const again = unanswered > 0 ? `, delivery ${delivery} (${unanswered} unanswered)` : "";
  const head = `${paint.bold(`attempt ${attempt.attempt}${again}`)}  ${
    formatTime(attempt.startedAt)
  }  ${formatDuration(attempt.durationMs)}  ${paint.red(escapeText(end))}${
    isTold ? "" : `  ${escapeText(attempt.error)}`
  }\n`;
  const indent = (words: string) =>
    escapeLines(stripColours(words).replace(/\n+$/, "")).split("\n").map((line) => `  ${line}\n`)
      .join(
        "",
      );
  return head +
    (attempt.stderr === undefined ? "" : indent(attempt.stderr)) +
    (attempt.stack === undefined ? "" : indent(attempt.stack));
}
