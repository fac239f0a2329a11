/** Events as CloudEvents, for `tail`, `replay` and `get` with `--cloudevents`. */
import { concat, linesIn } from "../../core/base/bytes.ts";
import { wireToCloudLine } from "../../core/event/cloud_event_text.ts";

/** A block of wire lines as lines in the JSON format of CloudEvents. */
export function cloudEventBlock(block: Uint8Array): Uint8Array {
  const lines: Uint8Array[] = [];
  for (const { bytes } of linesIn(block)) lines.push(wireToCloudLine(bytes));
  return concat(lines);
}
