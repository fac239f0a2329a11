/** What a handler reads on its stdin. */
import type { Delivery } from "../../core/client/consumer/port.ts";
import { rawPayload } from "../reading/raw.ts";
import { toNdjson } from "./batch.ts";

/** The payload or the whole event as a line of JSON, or the payload as text. */
export type StdinForm = "payload" | "event" | "text";

/**
 * The input for one run: a line for each event. Bytes published with `--binary` are a line only
 * beside others.
 */
export function handlerInput(
  deliveries: readonly Pick<Delivery, "event" | "payload">[],
  form: StdinForm,
): Uint8Array {
  if (form !== "text") return toNdjson(deliveries.map((delivery) => delivery[form]));
  const texts = deliveries.map(({ event }) => rawPayload(event));
  const [first] = texts;
  return texts.length === 1 && first?.binary
    ? first.bytes
    : toNdjson(texts.map(({ bytes }) => bytes));
}
