/**
 * Decodes lines of `evs dlq export`, unchanged or edited: each becomes an entry, or an error that
 * says what is wrong.
 */
import type { ImportedDeadLetter } from "../../core/dead_letter/imported.ts";
import { EventRefusedError } from "../../core/base/errors.ts";
import { parseJson, splitMembers } from "../../core/json/json.ts";
import type { Attempt } from "../../core/state/state.ts";
import { assertSubscriptionName, assertTopicName } from "../../core/event/topic_options.ts";
import { EventDecoder, type EventDecoderContext } from "./decode_event.ts";
import { isJsonObject } from "../../core/json/json_object.ts";

/** What is needed to decode a line: the event decoder's context, by topic. */
export type DecoderOfTopic = (topic: string) => EventDecoderContext;

/** An entry contains an event, which contains a payload: two levels around the payload. */
const AROUND = 2;
const HINT = "a line is what evs dlq export prints: subscription, topic, event, attempts, reason";

/** Reads one line. Throws `EventRefusedError`. */
export function readDeadLetterLine(
  source: { line: number; text: string; bytes: Uint8Array },
  decoderOf: DecoderOfTopic,
): ImportedDeadLetter {
  const value = parseJson(source.text, { around: AROUND });
  if (!isJsonObject(value)) throw invalid("a dead letter is a JSON object");
  const topic = assertTopicName(text(value, "topic"));
  const event = splitMembers(source.text, source.bytes).findLast(({ name }) => name === "event");
  if (!event || !isJsonObject(value["event"])) throw invalid("event is not a JSON object");
  if (value["event"]["id"] === undefined) throw invalid("the event has no id");
  const decoder = new EventDecoder({ metadata: "{}" }, decoderOf(topic));
  const attempts = readAttempts(value["attempts"] ?? []);
  return {
    subscription: assertSubscriptionName(text(value, "subscription")),
    topic,
    seq: whole(value, "seq", 0),
    reason: value["reason"] === undefined
      ? attempts.at(-1)?.error ?? "imported"
      : text(value, "reason"),
    diedAt: whole(value, "diedAt", decoderOf(topic).now()),
    attempts,
    ...(value["editedFrom"] === undefined ? {} : { editedFrom: text(value, "editedFrom") }),
    event: decoder.event(source.line, event.text, event.bytes),
  };
}

const OUTCOMES = ["retry", "dead", "expired"];

function readAttempts(value: unknown): Attempt[] {
  if (!Array.isArray(value)) throw invalid("attempts is not an array");
  return value.map((given, i): Attempt => {
    const what = `attempts[${i}]`;
    if (!isJsonObject(given)) throw invalid(`${what} is not a JSON object`);
    const outcome = given["outcome"];
    if (typeof outcome !== "string" || !OUTCOMES.includes(outcome)) {
      throw invalid(`${what}.outcome is one of ${OUTCOMES.join(", ")}`);
    }
    const counts = (["delivery", "unanswered", "exitCode"] as const).flatMap((name) =>
      given[name] === undefined ? [] : [[name, whole(given, name, 0, what)]]
    );
    const words = (["signal", "stderr", "stack"] as const).flatMap((name) =>
      given[name] === undefined ? [] : [[name, text(given, name, what)]]
    );
    return {
      attempt: whole(given, "attempt", i + 1, what),
      startedAt: whole(given, "startedAt", 0, what),
      durationMs: whole(given, "durationMs", 0, what),
      outcome: outcome as Attempt["outcome"],
      error: text(given, "error", what),
      ...Object.fromEntries([...counts, ...words]),
    };
  });
}

function text(value: Record<string, unknown>, name: string, within?: string): string {
  const found = value[name];
  if (typeof found === "string") return found.toWellFormed().replaceAll("\0", "\u2400");
  throw invalid(`${within === undefined ? name : `${within}.${name}`} is not a string`);
}

function whole(
  value: Record<string, unknown>,
  name: string,
  otherwise: number,
  within?: string,
): number {
  const found = value[name] ?? otherwise;
  if (Number.isSafeInteger(found) && (found as number) >= 0) return found as number;
  throw invalid(`${within === undefined ? name : `${within}.${name}`} is not a whole number`);
}

function invalid(message: string): EventRefusedError {
  return new EventRefusedError("event/invalid-envelope", message, { hint: HINT });
}
