/** The key of an event, `topic << 36 | seq`, and its block of 1,024 seqs. */

/** Seqs per topic: `pos` has 36 bits for them. */
export const SEQ_SPAN = 2 ** 36;
/** Most topics that `pos` can hold. */
export const MAX_TOPICS = 2 ** 17 - 1;
/** Seqs per row of `blocks`. */
export const BLOCK = 1024;

/** The key of an event. */
export function position(topicId: number, seq: number): number {
  return topicId * SEQ_SPAN + seq;
}

/** The block of a seq. */
export function blockOf(seq: number): number {
  return Math.floor((seq - 1) / BLOCK);
}
