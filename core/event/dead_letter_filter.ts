/** How dead letters are selected: on the wire, in the state and by an operator. */

/** Which dead letters. Every given field must match. */
export interface DeadLetterFilter {
  /** Event ids, or `SUBSCRIPTION:ID`. */
  ids?: string[];
  subscription?: string;
  topic?: string;
  type?: string;
  key?: string;
  /** A part of the reason, without regard to case; `*` stands for any text. */
  reason?: string;
  /** Died at or after this, Unix ms. */
  since?: number;
  /** Died before this, Unix ms. */
  before?: number;
}
