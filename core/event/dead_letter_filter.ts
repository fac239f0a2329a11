/** How dead letters are selected: on the wire, in the state database and by an operator. */

/** Selects dead letters. Every given field must match. */
export interface DeadLetterFilter {
  /** Event ids, or `SUBSCRIPTION:ID`. */
  ids?: string[];
  subscription?: string;
  topic?: string;
  type?: string;
  key?: string;
  /** Part of the reason, case-insensitive; `*` matches any text. */
  reason?: string;
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
