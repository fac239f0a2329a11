/** Events that retention deleted before a subscription saw them. */

/** Events of a topic that a subscription missed because retention deleted them first. */
export interface MissedRecord {
  /** The subscription's name. */
  subscription: string;
  /** The topic's name. */
  topic: string;
  /** The first seq missed so far. */
  from: number;
  /** The last seq missed so far. */
  to: number;
  /** How many events were missed in all. */
  count: number;
}
