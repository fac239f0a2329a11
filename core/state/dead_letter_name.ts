/**
 * What a dead letter is called: `SUBSCRIPTION:ID`. Names of subscriptions have no colon, ids may.
 * And what it is of.
 */

/** Which event a retry or a dead letter is of, and whose. */
export interface FailedEvent {
  subscription: string;
  topic: string;
  seq: number;
  id: string;
  type: string;
  key?: string;
}

/**
 * Only that of a record, a retry or an event with its subscription; no member `key` where there is
 * no key.
 */
export function failedEvent(
  of: Omit<FailedEvent, "key"> & { key?: string | undefined },
): FailedEvent {
  const { subscription, topic, seq, id, type, key } = of;
  return { subscription, topic, seq, id, type, ...(key === undefined ? {} : { key }) };
}

/** The name of an entry. */
export function deadLetterName({ subscription, id }: { subscription: string; id: string }): string {
  return `${subscription}:${id}`;
}

/** The way back. */
export function splitDeadLetterName(name: string): { subscription: string; id: string } {
  const at = name.indexOf(":");
  return { subscription: name.slice(0, at), id: name.slice(at + 1) };
}

/** Whether what was asked for, an event id or `SUBSCRIPTION:ID`, means this entry. */
export function namesDeadLetter(
  asked: string,
  entry: { subscription: string; id: string },
): boolean {
  return asked === entry.id || asked === deadLetterName(entry);
}
