/** Finds one event by what a person types: its seq or its id. */
import { NotFoundError } from "../base/errors.ts";
import { type MaybePromise, whenReady } from "../base/maybe_promise.ts";
import type { StoredEvent } from "../event/event.ts";
import type { EventReader } from "../store/reader.ts";

/** The event with this seq or id. Digits mean a seq, unless there is none with it. */
export function findEvent(
  store: EventReader,
  topic: string,
  wanted: string,
): MaybePromise<StoredEvent | undefined> {
  if (!/^\d{1,15}$/.test(wanted)) return store.find(topic, wanted);
  const seq = Number(wanted);
  return whenReady(
    store.readPage(topic, { from: seq, to: seq, limit: 1 }),
    ({ events: [bySeq] }) => bySeq ?? store.find(topic, wanted),
  );
}

/** The error for an event that is not there. */
export function noSuchEvent(store: EventReader, topic: string, wanted: string): NotFoundError {
  const { firstSeq, lastSeq } = store.head(topic);
  const there = lastSeq < firstSeq
    ? "the topic is empty"
    : `the topic has seq ${firstSeq} to ${lastSeq}`;
  return new NotFoundError("event", `topic ${topic} has no event ${wanted}: ${there}`, {
    details: { firstSeq, lastSeq },
    hint: `evs replay ${topic} shows what is there`,
  });
}
