/**
 * The `head` file of a topic. It records what retention or removal deleted, so that those events do
 * not come back and no seq is reused, and where the newest segment begins, so that a missing newest
 * segment is noticed.
 */
import { crc32 } from "../../base/checksum.ts";
import { type Disk, readWhole, replaceFile } from "./disk.ts";
import { HEAD_FILE } from "./layout.ts";

/** The first seq of a topic, and a lower bound for its last seq. */
export interface Head {
  firstSeq: number;
  lastSeq: number;
  /** The first seq of the newest segment, if there was more than one. */
  newest?: number;
}

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** Reads the head file. If there is none, nothing was ever removed. */
export function readHead(disk: Disk, folder: string): Head & { damaged: boolean } {
  const bytes = readWhole(disk, `${folder}/${HEAD_FILE}`);
  if (!bytes) return { firstSeq: 1, lastSeq: 0, damaged: false };
  const [, sum, text = ""] = /^([0-9a-f]{8}) (.*)\n$/.exec(decoder.decode(bytes)) ?? [];
  if (sum !== hex(text)) return { firstSeq: 1, lastSeq: 0, damaged: true };
  return { ...JSON.parse(text) as Head, damaged: false };
}

/** Writes the head file; durable when it returns. */
export function writeHead(disk: Disk, folder: string, head: Head): void {
  const { firstSeq, lastSeq, newest } = head;
  const text = JSON.stringify({ firstSeq, lastSeq, newest });
  replaceFile(disk, { folder, name: HEAD_FILE }, encoder.encode(`${hex(text)} ${text}\n`));
}

function hex(text: string): string {
  return crc32(encoder.encode(text)).toString(16).padStart(8, "0");
}
