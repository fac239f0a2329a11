/** Which dead letters a reader of the state asks for, in parts. */

/** Which part of the list of dead letters to return. */
export interface DeadLetterPageRequest {
  limit: number;
  /** The `next` of the previous page; of the same order. */
  after?: string;
  /** Oldest first instead of newest first. */
  oldest?: boolean;
}

/** Which keys of dead letters to return. */
export interface DeadLetterKeysRequest {
  topic?: string;
  subscription?: string;
  /** Only numbers above this. */
  after?: number;
  /** Only numbers up to this. */
  upTo?: number;
  limit: number;
  /** Newest first instead of oldest first. */
  newest?: boolean;
}
