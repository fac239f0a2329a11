/**
 * A batch's tag: the random part of the ids of its first and last events. A publisher that got no
 * answer uses it to find out whether the batch was stored, and under which seqs.
 */
const TAG = /^[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;
/** The length of what precedes the tag in a UUIDv7: the time and the counter. */
const BEFORE_TAG = 19;
const RANDOM_BYTES = 8;

/** The tag in an id that we generated. */
export function batchTagOf(id: string): string {
  return id.slice(BEFORE_TAG);
}

/** The same id with this tag. */
export function withBatchTag(id: string, tag: string): string {
  return id.slice(0, BEFORE_TAG) + tag;
}

/** True for a text that could be a tag. */
export function isBatchTag(text: string): boolean {
  return TAG.test(text);
}

/** Makes a tag from 62 random bits, supplied by `fill`. */
export function newBatchTag(fill: (bytes: Uint8Array<ArrayBuffer>) => void): string {
  const bytes = new Uint8Array(RANDOM_BYTES);
  fill(bytes);
  bytes[0] = 0x80 | (bytes[0]! & 0x3f);
  const hex = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
  return `${hex.slice(0, 4)}-${hex.slice(4)}`;
}
