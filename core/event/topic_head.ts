/** Where the events of a topic begin and end. */

/** What a store knows of one topic. */
export interface TopicHead {
  /** The lowest seq that is still there; `lastSeq + 1` when none is. */
  firstSeq: number;
  /** The last seq ever given; 0 before the first. */
  lastSeq: number;
  /** Bytes of payloads and metadata that are there now. */
  bytes: number;
}
