/** Names of dead letters: `SUBSCRIPTION:ID`. Subscription names contain no colon, ids may. */

/** The event that a retry or dead letter is about, and its subscription. */
export interface FailedEvent {
  subscription: string;
  topic: string;
  seq: number;
  id: string;
  type: string;
  key?: string;
}

/**
 * Picks these fields from a record, a retry or an event with its subscription; without a `key`
 * member if there is no key.
 */
export function failedEvent(
  of: Omit<FailedEvent, "key"> & { key?: string | undefined },
): FailedEvent {
  const { subscription, topic, seq, id, type, key } = of;
  const event: FailedEvent = { subscription, topic, seq, id, type };
  if (key !== undefined) event.key = key;
  return event;
}

/** The name of an entry. */
export function deadLetterName({ subscription, id }: { subscription: string; id: string }): string {
  return `${subscription}:${id}`;
}

/** The reverse of {@link deadLetterName}. */
export function splitDeadLetterName(name: string): { subscription: string; id: string } {
  const at = name.indexOf(":");
  return { subscription: name.slice(0, at), id: name.slice(at + 1) };
}

/** True if `asked`, an event id or `SUBSCRIPTION:ID`, means this entry. */
export function namesDeadLetter(
  asked: string,
  entry: { subscription: string; id: string },
): boolean {
  return asked === entry.id || asked === deadLetterName(entry);
}
