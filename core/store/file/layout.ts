/**
 * Where things lie in the folder of a file store, and what they are called.
 *
 * ```text
 * DIR/format                     which format this is
 * DIR/checkpoint                 of many topics: where each ends, as of the last close, and which were written to since
 * DIR/%accepted                  damage that somebody took note of
 * DIR/%skew                      by how much the times in the indexes differ from the wall clock
 * DIR/users/0000000000000001.ndjson   a segment: wire lines, from that seq
 * DIR/users/0000000000000001.index    its index: a checksum for each block of lines
 * DIR/users/0000000000000001.lookup   its given ids and keys, once the segment is full
 * DIR/users/head                 what retention and removal left: the first seq, the last one
 * ```
 *
 * A topic's folder is its name in lower case. Where that is not the name, `%` and a bit for each letter that is upper case
 * follow, so that `Users` and `users` are two folders on every file system; a leading dot gets a `%` before it. No valid
 * name has a `%`, so the way back is unambiguous, and nothing but a valid name ever becomes a path (contract row 24).
 */
import { assertTopicName } from "../../event/topic_options.ts";

/** The format that this version writes. */
export const FILE_STORE_FORMAT = 1;
/** Files of a store's folder that are no topics. */
export const FORMAT_FILE = "format";
export const CHECKPOINT_FILE = "checkpoint";
/** With a character that no topic has: stores were made before there was this file. */
export const ACCEPTED_FILE = "%accepted";
export const SKEW_FILE = "%skew";
/** What a topic's folder keeps of events that are gone. */
export const HEAD_FILE = "head";
/** Something half-written that a crash left; it is made again. */
export const UNFINISHED = ".new";

const DIGITS = 16;

/** The folder of a topic. Throws `InvalidArgumentError` for what is no topic name. */
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

/** The topic of a folder; undefined when no topic has that folder. */
export function folderTopic(folder: string): string | undefined {
  const [, lower = "", cases = ""] =
    /^%?([a-z0-9._-]{1,128})(?:%([0-9a-f]{1,32}))?$/.exec(folder) ?? [];
  if (lower === "") return undefined;
  let topic = cases === "" ? lower : "";
  for (let i = topic.length; i < lower.length; i++) {
    const bits = parseInt(cases[i >> 2] ?? "0", 16);
    topic += bits >> (i & 3) & 1 ? lower[i]!.toUpperCase() : lower[i]!;
  }
  // The way there decides: a second spelling of the same topic is not ours.
  return topic !== "." && topic !== ".." && topicFolder(topic) === folder ? topic : undefined;
}

/** Names that the store's own files have. */
function isReserved(lower: string): boolean {
  return [FORMAT_FILE, CHECKPOINT_FILE].some((name) =>
    lower === name || lower === name + UNFINISHED
  );
}

/** The files of a segment that begins at `seq`. */
export function segmentFile(seq: number, kind: "ndjson" | "index" | "lookup"): string {
  return `${String(seq).padStart(DIGITS, "0")}.${kind}`;
}

/** What a file of a topic's folder is; undefined when it is not ours. */
export function parseSegmentFile(
  name: string,
): { seq: number; kind: "ndjson" | "index" | "lookup"; unfinished: boolean } | undefined {
  const [, digits, kind, unfinished] = /^(\d{16})\.(ndjson|index|lookup)(\.new)?$/.exec(name) ?? [];
  const seq = Number(digits);
  if (kind === undefined || !Number.isSafeInteger(seq) || seq < 1) return undefined;
  return { seq, kind: kind as "ndjson" | "index" | "lookup", unfinished: unfinished !== undefined };
}
