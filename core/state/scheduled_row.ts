/** What the row of a scheduled event says. */
import { DataDirError } from "../base/errors.ts";
import type { StoredEvent } from "../event/event.ts";
import { eventOfSlot } from "../store/file/lines.ts";
import type { ScheduledRecord } from "./state.ts";

/** The event in a row's line. Throws `DataDirError` if it cannot be read. */
export function contentIn(
  line: Uint8Array,
  { id, topic }: Pick<ScheduledRecord, "id" | "topic">,
): StoredEvent {
  try {
    return eventOfSlot(line.subarray(0, -1)); // without the line feed
  } catch (cause) {
    const what = `the scheduled event ${id} of ${topic} cannot be read`;
    const hint = `evs scheduled cancel ${id} gives it up`;
    throw new DataDirError("datadir/damaged", what, { hint, cause });
  }
}
