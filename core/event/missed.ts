/** What retention deleted before a subscription saw it. */

/** Events that retention took before a subscription saw them. */
export interface MissedRecord {
  /** Whose. */
  subscription: string;
  /** Where. */
  topic: string;
  /** The first and last seq missed so far, and how many in all. */
  from: number;
  /** The last seq missed so far. */
  to: number;
  /** How many in all. */
  count: number;
}
