/** Events that a subscription did not get: deleted by retention first, or expired. */

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

/** Events of a topic that expired before a subscription handled them. */
export interface ExpiredRecord {
  /** The subscription's name. */
  subscription: string;
  /** The topic's name. */
  topic: string;
  /** How many, so far. */
  count: number;
}
