/**
 * The daemon's events as a store, as far as the three methods of `EventStore` allow over the
 * socket.
 */
import { assertTopicName } from "../../event/topic_options.ts";
import { assertObject } from "../../base/options.ts";
import { RemoteError, UnsupportedError } from "../../base/errors.ts";
import type { Event } from "../../event/event.ts";
import { eventOfLine } from "../../event/event_lines.ts";
import type { EventQuery, EventStore } from "../../store/store.ts";
import type { Client } from "../client.ts";
import { decodingErrors } from "../decode_error.ts";

const decoder = new TextDecoder();

/** Filters that the daemon applies, so that other events are not sent. */
export interface RemoteEventQuery extends EventQuery {
  /** Only the events of these keys. */
  keys?: readonly string[];
  /** First seq, inclusive. */
  fromSeq?: number;
}

/** Reads the events of a daemon. */
export class RemoteEventStore implements EventStore {
  readonly #client: Client;
  readonly #save: (event: Event) => Promise<unknown>;

  /** `save` publishes an event with its own id. */
  constructor(client: Client, save: (event: Event) => Promise<unknown>) {
    this.#client = client;
    this.#save = save;
  }

  async saveEvent(event: Event): Promise<void> {
    await this.#save(assertObject(event, "an event"));
  }

  async getEvents(topic: string, options: RemoteEventQuery = {}): Promise<Event[]> {
    assertTopicName(topic);
    assertObject(options, "the query of getEvents");
    const { fromTimestamp, toTimestamp, eventTypes, limit, reverse, keys, fromSeq } = options;
    const events: Event[] = [];
    try {
      const response = await this.#client.read({
        topic: [topic],
        type: eventTypes,
        where: keys?.map((key) => `event.key == ${JSON.stringify(key)}`).join(" || "),
        from: fromSeq?.toString(),
        reverse: reverse ? "1" : undefined,
      });
      for await (const line of response.lines()) {
        const event = eventOfLine(decoder.decode(line));
        // Filter by each event's own timestamp, as in process: events are ordered by seq, not by
        // time.
        if (fromTimestamp !== undefined && event.timestamp < fromTimestamp) continue;
        if (toTimestamp !== undefined && event.timestamp > toTimestamp) continue;
        events.push(event);
        if (limit && events.length >= limit) break;
      }
    } catch (error) {
      if (error instanceof RemoteError && error.code === "topic/not-found") return [];
      return await decodingErrors(Promise.reject(error));
    }
    return events;
  }

  /** Unsupported: the topic's retention in the daemon decides what is deleted. */
  // deno-lint-ignore require-await -- async turns what it throws into a rejection
  async deleteEvents(topic: string): Promise<number> {
    assertTopicName(topic);
    throw new UnsupportedError("a daemon deletes events only by their topic's retention", {
      hint: `evs topic update ${topic} --retention 30d`,
      details: { topic },
    });
  }
}
