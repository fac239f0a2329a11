/** Where an event lies: `topic << 36 | seq`, and the block of 1,024 seqs that it is in. */

/** Bits of `pos` that hold the seq. */
export const SEQ_SPAN = 2 ** 36;
/** The most topics that `pos` has room for. */
export const MAX_TOPICS = 2 ** 17 - 1;
/** Seqs summed up in one row of `blocks`. */
export const BLOCK = 1024;

/** The key of an event. */
export function position(topicId: number, seq: number): number {
  return topicId * SEQ_SPAN + seq;
}

/** The block that a seq is in. */
export function blockOf(seq: number): number {
  return Math.floor((seq - 1) / BLOCK);
}
