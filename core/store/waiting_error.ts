/** What an atomic group is refused with of which events are scheduled under some of its ids. */
import { ConflictError } from "../base/errors.ts";

/** The error for a group of events of which some wait. */
export function waitingError(ids: readonly string[]): ConflictError {
  return new ConflictError(
    `${ids.length === 1 ? "an event is" : `${ids.length} events are`} scheduled under an id of ` +
      "this group, so nothing was stored",
    {
      details: { subject: "ids", ids },
      hint: "leave them out, give them new ids, or cancel them first: evs scheduled list",
    },
  );
}
