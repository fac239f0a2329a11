/**
 * A batch's tag: the random part of the id of its first and of its last event. Whoever sent a batch
 * and heard no answer finds by it whether the batch was stored, and from which seq to which.
 */
const TAG = /^[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;
/** What stands before it in a UUIDv7: the time and the counter. */
const BEFORE_TAG = 19;
const RANDOM_BYTES = 8;

/** The tag in an id of ours. */
export function batchTagOf(id: string): string {
  return id.slice(BEFORE_TAG);
}

/** The same id with this tag. */
export function withBatchTag(id: string, tag: string): string {
  return id.slice(0, BEFORE_TAG) + tag;
}

/** True for a text that can be a tag. */
export function isBatchTag(text: string): boolean {
  return TAG.test(text);
}

/** Makes one of 62 random bits, which `fill` gives. */
export function newBatchTag(fill: (bytes: Uint8Array<ArrayBuffer>) => void): string {
  const bytes = new Uint8Array(RANDOM_BYTES);
  fill(bytes);
  bytes[0] = 0x80 | (bytes[0]! & 0x3f);
  const hex = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
  return `${hex.slice(0, 4)}-${hex.slice(4)}`;
}
