/** Where the events of a topic begin and end. */

/** What a store knows about one topic. */
export interface TopicHead {
  /** The lowest seq still stored; `lastSeq + 1` if none is. */
  firstSeq: number;
  /** The last seq ever assigned; 0 before the first. */
  lastSeq: number;
  /** Bytes of payloads and metadata currently stored. */
  bytes: number;
}
