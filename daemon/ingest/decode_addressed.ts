/**
 * Events that name their topic themselves, each with its own expectations: the elements of `POST
 * /v1/events`.
 */
import { EventRefusedError } from "../../core/base/errors.ts";
import { type AddressedEvent, checkExpectations } from "../../core/broker/publish_all.ts";
import { assertTopicName } from "../../core/event/topic_options.ts";
import { parseJson } from "../../core/json/json.ts";
import { isJsonObject } from "../../core/json/json_object.ts";
import type { EventDecoder } from "./decode_event.ts";

/** Decodes events for any topic. */
export class AddressedDecoder {
  readonly #decoderOf: (topic: string) => EventDecoder;
  readonly #decoders = new Map<string, EventDecoder>();

  /** `decoderOf`: makes the decoder of one topic. */
  constructor(decoderOf: (topic: string) => EventDecoder) {
    this.#decoderOf = decoderOf;
  }

  /** Decodes one element. Throws `EventRefusedError` or `InvalidArgumentError`. */
  event(line: number, text: string, bytes: Uint8Array): AddressedEvent {
    const value = parseJson(text, { around: 1 });
    if (!isJsonObject(value)) {
      throw invalid("an event is a JSON object with a topic, a type and a payload");
    }
    const { topic, expected } = value;
    if (typeof topic !== "string") {
      throw invalid(topic === undefined ? "the event has no topic" : "topic is not a string");
    }
    const event = this.#decoder(topic).envelope(line, { value, text, bytes }, ["expected"]);
    return { topic, event, expected: checkExpectations(expected, event.key) };
  }

  #decoder(topic: string): EventDecoder {
    const there = this.#decoders.get(topic);
    if (there) return there;
    const decoder = this.#decoderOf(assertTopicName(topic));
    this.#decoders.set(topic, decoder);
    return decoder;
  }
}

function invalid(message: string): EventRefusedError {
  return new EventRefusedError("event/invalid-envelope", message, {
    hint: 'as in: {"topic": "orders", "type": "order.placed", "payload": {}}',
  });
}
