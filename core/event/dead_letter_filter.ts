/** How dead letters are selected: on the wire, in the state database and by an operator. */

/** Selects dead letters. Every given field must match. */
export interface DeadLetterFilter {
  /** Event ids, or `SUBSCRIPTION:ID`. */
  ids?: string[];
  /** Whose they are. */
  subscription?: string;
  /** The topic of their events. */
  topic?: string;
  /** The type of their events. */
  type?: string;
  /** The key of their events. */
  key?: string;
  /** Part of the reason, case-insensitive; `*` matches any text. */
  reason?: string;
  /** The id of their group. */
  group?: string;
  /** Dead-lettered at or after this, Unix ms. */
  since?: number;
  /** Dead-lettered before this, Unix ms. */
  before?: number;
}

/** The same of those that were there at a certain time. */
export interface BoundDeadLetterFilter extends DeadLetterFilter {
  /** Only numbers up to this (`DeadLetterKey.number`). */
  upTo?: number | undefined;
}
