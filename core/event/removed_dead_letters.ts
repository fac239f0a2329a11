/** Dead letters that the limits of topics removed, as a value and in words. */

/** Which dead letters limits have removed so far. */
export interface RemovedDeadLetters {
  subscription: string;
  topic: string;
  /** By age. */
  expired: number;
  /** Because there were more than the topic allows. */
  capped: number;
  /** When the last of them were removed, Unix ms. */
  lastAt: number;
}

/**
 * In words; undefined if there is nothing to say.
 *
 * ```ts
 * removedText([{ subscription: "mailer", topic: "jobs", expired: 2, capped: 1, lastAt: 0 }]);
 * // "3 dead letters were removed by the limits of their topics: 2 by age, 1 by number"
 * ```
 */
export function removedText(records: readonly RemovedDeadLetters[]): string | undefined {
  const expired = records.reduce((sum, one) => sum + one.expired, 0);
  const capped = records.reduce((sum, one) => sum + one.capped, 0);
  const count = expired + capped;
  if (count === 0) return undefined;
  const what = count === 1 ? "1 dead letter was" : `${count} dead letters were`;
  const why = [
    ...(expired > 0 ? [`${expired} by age`] : []),
    ...(capped > 0 ? [`${capped} by number`] : []),
  ];
  return `${what} removed by the limits of their topics: ${why.join(", ")}`;
}
