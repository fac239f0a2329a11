/**
 * What lies in a segment behind all that its index tells of. An append that a crash cut short looks
 * like one: the topic's next events, a line each, the last one maybe in part; after a power cut
 * with sectors that were never written, which are zero. It was never acknowledged. Whatever looks
 * different was put there by somebody else.
 */
import { eachLine, suspectEvent } from "./lines.ts";

const encoder = new TextEncoder();
const BEGIN = encoder.encode('{"seq":');
const LF = 0x0a;

/** True when these bytes can be an append that did not come to its end. */
export function isUnfinishedAppend(
  bytes: Uint8Array,
  { topic, nextSeq }: { topic: string; nextSeq: number },
): boolean {
  let next = nextSeq;
  let torn = false;
  let ours = true;
  eachLine(bytes, (start, end) => {
    const line = bytes.subarray(start, end);
    // No wire line has a zero byte.
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

/** True when one of the two is how the other begins. */
function beginsAlike(a: Uint8Array, b: Uint8Array): boolean {
  const length = Math.min(a.length, b.length);
  for (let i = 0; i < length; i++) if (a[i] !== b[i]) return false;
  return true;
}
