/**
 * The file `head` of a topic: what retention or removal took, so that it does not come back and no
 * seq is used again; and where the newest segment begins, so that one that is gone is missed.
 */
import { crc32 } from "../../base/checksum.ts";
import { type Disk, readWhole, replaceFile } from "./disk.ts";
import { HEAD_FILE } from "./layout.ts";

/** Where a topic begins, and a floor for its last seq. */
export interface Head {
  firstSeq: number;
  lastSeq: number;
  /** The first seq of the newest segment, where there was more than one. */
  newest?: number;
}

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** Reads it. Where there is none nothing was ever removed. */
export function readHead(disk: Disk, folder: string): Head & { damaged: boolean } {
  const bytes = readWhole(disk, `${folder}/${HEAD_FILE}`);
  if (!bytes) return { firstSeq: 1, lastSeq: 0, damaged: false };
  const [, sum, text = ""] = /^([0-9a-f]{8}) (.*)\n$/.exec(decoder.decode(bytes)) ?? [];
  if (sum !== hex(text)) return { firstSeq: 1, lastSeq: 0, damaged: true };
  return { ...JSON.parse(text) as Head, damaged: false };
}

/** Writes it; durable when it returns. */
export function writeHead(disk: Disk, folder: string, head: Head): void {
  const { firstSeq, lastSeq, newest } = head;
  const text = JSON.stringify({ firstSeq, lastSeq, newest });
  replaceFile(disk, { folder, name: HEAD_FILE }, encoder.encode(`${hex(text)} ${text}\n`));
}

function hex(text: string): string {
  return crc32(encoder.encode(text)).toString(16).padStart(8, "0");
}
