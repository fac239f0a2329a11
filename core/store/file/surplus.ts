/**
 * Classifies bytes in a segment beyond what its index covers. An append that a crash cut short is
 * the topic's next events, one per line, with the last line perhaps incomplete; after a power cut,
 * sectors that were never written are zero. Such an append was never acknowledged. Anything else
 * was written by another program.
 */
import { eachLine, suspectEvent } from "./lines.ts";

const encoder = new TextEncoder();
const BEGIN = encoder.encode('{"seq":');
const LF = 0x0a;

/** True if these bytes can be an append that did not complete. */
export function isUnfinishedAppend(
  bytes: Uint8Array,
  { topic, nextSeq }: { topic: string; nextSeq: number },
): boolean {
  let next = nextSeq;
  let torn = false;
  let ours = true;
  eachLine(bytes, (start, end) => {
    const line = bytes.subarray(start, end);
    // A wire line never contains a zero byte.
    if (line.includes(0)) {
      torn = true;
      return true;
    }
    const seq = suspectEvent(line, topic)?.seq;
    ours = seq !== undefined && (seq === next || (torn && seq > next));
    if (ours) next = seq! + 1;
    return ours;
  });
  const piece = bytes.subarray(bytes.lastIndexOf(LF) + 1);
  return ours && (piece.includes(0) || beginsAlike(piece, BEGIN));
}

/** True if one of the two is a prefix of the other. */
function beginsAlike(a: Uint8Array, b: Uint8Array): boolean {
  const length = Math.min(a.length, b.length);
  for (let i = 0; i < length; i++) if (a[i] !== b[i]) return false;
  return true;
}
