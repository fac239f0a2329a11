/**
 * File names in the folder of a file store.
 *
 * ```text
 * DIR/format                     the format version
 * DIR/checkpoint                 for stores with many topics: where each topic ended at the last
 *                                close, and which were written to since
 * DIR/%accepted                  damage that an operator has accepted
 * DIR/%batch                     what has to be stored in several topics or in none, while it is
 * DIR/%skew                      how far the times in the indexes differ from the wall clock
 * DIR/users/0000000000000001.ndjson   a segment: wire lines, starting at that seq
 * DIR/users/0000000000000001.index    its index: a checksum for each block of lines
 * DIR/users/0000000000000001.lookup   its given ids and keys, once the segment is full
 * DIR/users/0000000000000001.ndjson.redacted   replaces the segment; its index likewise
 * DIR/users/counts               how many events each key has had, if there are keys
 * DIR/users/head                 what retention and removal left: the first seq, the last one
 * ```
 *
 * A topic's folder is its name in lower case. If the name has upper-case letters, `%` and one bit
 * per letter follow, so that `Users` and `users` are two folders on every file system. A leading
 * dot gets a `%` before it. No valid name contains `%`, so the mapping is reversible, and nothing
 * but a valid name ever becomes a path (contract row 24).
 */
import { assertTopicName } from "../../event/topic_options.ts";

/** The format version that this release writes. */
export const FILE_STORE_FORMAT = 1;
/** Files in a store's folder that are not topics. */
export const FORMAT_FILE = "format";
export const CHECKPOINT_FILE = "checkpoint";
/** Contains a character that no topic name has, because older stores lack this file. */
export const ACCEPTED_FILE = "%accepted";
export const SKEW_FILE = "%skew";
export const BATCH_FILE = "%batch";
/** What a topic's folder remembers of deleted events. */
export const HEAD_FILE = "head";
/** How many events each key of a topic has had. */
export const COUNTS_FILE = "counts";
/** Suffix of half-written files that a crash left; they are written again. */
export const UNFINISHED = ".new";

/**
 * Suffix of files that replace those of a segment because an event in it was redacted
 * (redact_segment.ts).
 */
export const REPLACING = ".redacted";

const DIGITS = 16;

/** The folder of a topic. Throws `InvalidArgumentError` if `topic` is not a valid topic name. */
export function topicFolder(topic: string): string {
  assertTopicName(topic);
  const lower = topic.toLowerCase();
  const dotted = lower.startsWith(".") || isReserved(lower) ? `%${lower}` : lower;
  if (lower === topic) return dotted;
  let cases = "";
  for (let at = 0; at < topic.length; at += 4) {
    let bits = 0;
    for (let bit = 0; bit < 4; bit++) {
      if (topic[at + bit] !== lower[at + bit]) bits |= 1 << bit;
    }
    cases += bits.toString(16);
  }
  return `${dotted}%${cases.replace(/0+$/, "")}`;
}

/** The topic of a folder; undefined if no topic maps to that folder. */
export function folderTopic(folder: string): string | undefined {
  const [, lower = "", cases = ""] =
    /^%?([a-z0-9._-]{1,128})(?:%([0-9a-f]{1,32}))?$/.exec(folder) ?? [];
  if (lower === "") return undefined;
  let topic = cases === "" ? lower : "";
  for (let i = topic.length; i < lower.length; i++) {
    const bits = parseInt(cases[i >> 2] ?? "0", 16);
    topic += bits >> (i & 3) & 1 ? lower[i]!.toUpperCase() : lower[i]!;
  }
  // Only the canonical spelling counts: another folder name for the same topic is not ours.
  return topic !== "." && topic !== ".." && topicFolder(topic) === folder ? topic : undefined;
}

/** True for names that the store's own files use. */
function isReserved(lower: string): boolean {
  return [FORMAT_FILE, CHECKPOINT_FILE].some((name) =>
    lower === name || lower === name + UNFINISHED
  );
}

/** The file name of a segment that begins at `seq`. */
export function segmentFile(seq: number, kind: "ndjson" | "index" | "lookup"): string {
  return `${String(seq).padStart(DIGITS, "0")}.${kind}`;
}

/** Parses a file name in a topic's folder; undefined if the file is not ours. */
export function parseSegmentFile(
  name: string,
): { seq: number; kind: "ndjson" | "index" | "lookup"; suffix: string } | undefined {
  const [, digits, kind, suffix = ""] =
    /^(\d{16})\.(ndjson|index|lookup)(\.new|\.redacted)?$/.exec(name) ?? [];
  const seq = Number(digits);
  if (kind === undefined || !Number.isSafeInteger(seq) || seq < 1) return undefined;
  return { seq, kind: kind as "ndjson" | "index" | "lookup", suffix };
}
