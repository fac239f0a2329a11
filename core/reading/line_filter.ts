/** Filters wire lines without building an event for each. */
import { concat } from "../base/bytes.ts";
import type { Event } from "../event/event.ts";
import type { Filter } from "../filter/filter.ts";
import { parseWithBigInts } from "../json/exact.ts";
import { FieldReader } from "../json/fields.ts";

const LF = 0x0a;
const decoder = new TextDecoder();

/** Returns a function that keeps the matching lines. Adjacent ones stay one view of the input. */
export function lineFilter(filter: Filter): (lines: Uint8Array) => Uint8Array {
  const reader = filter.fields && new FieldReader(filter.fields, { parse: parseWithBigInts });
  return (lines) => {
    const kept: Uint8Array[] = [];
    let run = -1;
    for (let start = 0; start < lines.length;) {
      const end = lines.indexOf(LF, start);
      const event = reader?.read(lines, start) ??
        parseWithBigInts(decoder.decode(lines.subarray(start, end)));
      if (!filter(event as unknown as Event)) {
        if (run >= 0) kept.push(lines.subarray(run, start));
        run = -1;
      } else if (run < 0) run = start;
      start = end + 1;
    }
    if (run >= 0) kept.push(lines.subarray(run));
    return concat(kept);
  };
}
