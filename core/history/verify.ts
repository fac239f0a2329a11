/** Compares a history with its checksums, without changing anything; for `evs doctor`. */
import { ifThere } from "../base/if_there.ts";
import { readAt, readRing } from "./rings.ts";
import {
  blockOffset,
  COLUMNS,
  decodeHead,
  decodeName,
  HEAD_SIZE,
  NAME_SIZE,
  SHAPES,
} from "./layout.ts";

/** What was found. */
export interface VerifiedHistory {
  /** Rows about the daemon that are intact. */
  rows: number;
  /** Entries that do not match their checksums, and what is missing. */
  damaged: number;
  /** True if a later version has written it; nothing of it was compared. */
  isNewer: boolean;
}

/** Reads all of it; undefined if there is none. */
export function verifyHistory(path: string): VerifiedHistory | undefined {
  using file = ifThere(() => Deno.openSync(path, { read: true }));
  if (file === undefined) return undefined;
  const { size } = file.statSync();
  if (size === 0) return { rows: 0, damaged: 0, isNewer: false };
  const head = decodeHead(readAt(file, 0, HEAD_SIZE));
  if (head === "newer") return { rows: 0, damaged: 0, isNewer: true };
  if (head === "damaged") return { rows: 0, damaged: 1, isNewer: false };
  const { blocks } = head;
  let [rows, damaged] = [0, blockOffset(blocks, blocks.length) > size ? 1 : 0];
  for (const [block, kind] of blocks.entries()) {
    const { namesSize } = SHAPES[kind];
    const names = readAt(file, blockOffset(blocks, block), namesSize);
    for (let i = 0; namesSize > 0 && i < COLUMNS; i++) {
      const entry = names.subarray(i * NAME_SIZE, (i + 1) * NAME_SIZE);
      if (entry.length === NAME_SIZE && decodeName(entry) === "damaged") damaged++;
    }
    for (const ring of ["minutes", "windows"] as const) {
      const found = readRing(file, { blocks, block, ring });
      damaged += found.damaged;
      if (kind === "daemon") rows += found.rows.length;
    }
  }
  return { rows, damaged, isNewer: false };
}
