/** The daemon's dead letters, as an application sees them. */
import { assertDeadLetter, assertDeadLetterId } from "../../dead_letter/queue.ts";
import { assertObject } from "../../base/options.ts";
import { thrownStack } from "../../base/thrown.ts";
import { thrownReason } from "../../base/thrown_reason.ts";
import type { DeadLetterEntry, DeadLetterQuery, DeadLetterQueue } from "../../dead_letter/queue.ts";
import { RemoteError } from "../../base/errors.ts";
import { unansweredOf } from "../../event/attempt.ts";
import type { Event } from "../../event/event.ts";
import { eventOfLine } from "../../event/event_lines.ts";
import type { Client } from "../client.ts";
import type { DeadLetterDetail } from "../../protocol/protocol.ts";
import { decodingErrors } from "../decode_error.ts";

/** Full entries per request: the daemon's limit. */
const PAGE = 50;

const encoder = new TextEncoder();

/** The dead letters of a daemon. */
export class RemoteDeadLetters implements DeadLetterQueue {
  readonly #client: Client;
  readonly #now: () => number;

  constructor(client: Client, now: () => number) {
    this.#client = client;
    this.#now = now;
  }

  async addEvent(event: Event, error: Error, subscriptionName: string): Promise<void> {
    assertDeadLetter(event, subscriptionName);
    const diedAt = this.#now();
    const stack = thrownStack(error);
    const { topic, seq = 0 } = event;
    const line = JSON.stringify({
      subscription: subscriptionName,
      topic,
      seq,
      reason: thrownReason(error),
      diedAt,
      attempts: [{
        attempt: 1,
        startedAt: diedAt,
        durationMs: 0,
        outcome: "dead",
        error: thrownReason(error),
        stack,
      }],
      event,
    });
    const reply = await decodingErrors(
      this.#client.importDeadLetters(encoder.encode(`${line}\n`), { retry: false }),
    );
    const [fault] = reply.refused ?? [];
    if (fault) throw new RemoteError(fault, 422);
  }

  async getEvents(options: DeadLetterQuery = {}): Promise<DeadLetterEntry[]> {
    assertObject(options, "the query of getEvents");
    const limit = options.limit || Infinity;
    const entries: DeadLetterEntry[] = [];
    let after: string | undefined;
    do {
      const page = await decodingErrors(this.#client.deadLetters({
        full: 1,
        limit: Math.min(PAGE, limit - entries.length),
        topic: options.topic,
        type: options.eventType,
        after,
      }));
      after = page.headers.get("evs-next");
      for (const line of (await page.text()).split("\n")) {
        if (line !== "") entries.push(entryOf(JSON.parse(line) as DeadLetterDetail));
      }
    } while (after !== undefined && entries.length < limit);
    return entries;
  }

  async retryEvent(eventId: string): Promise<boolean> {
    assertDeadLetterId(eventId);
    return await some(this.#client.retryDeadLetters({ ids: [eventId] }));
  }

  async removeEvent(eventId: string): Promise<boolean> {
    assertDeadLetterId(eventId);
    return await some(this.#client.removeDeadLetters({ ids: [eventId] }));
  }
}

/** False if there was none with that id. */
async function some(action: Promise<{ count: number }>): Promise<boolean> {
  try {
    return (await action).count > 0;
  } catch (error) {
    if (error instanceof RemoteError && error.code === "dead-letter/not-found") return false;
    return await decodingErrors(Promise.reject(error));
  }
}

function entryOf(detail: DeadLetterDetail): DeadLetterEntry {
  const unanswered = unansweredOf(detail.attempts);
  return {
    event: eventOfLine(JSON.stringify(detail.event)),
    error: detail.reason,
    subscription: detail.subscription,
    timestamp: detail.diedAt,
    attempts: detail.attempts.length,
    ...(unanswered === 0 ? {} : { unanswered }),
  };
}
