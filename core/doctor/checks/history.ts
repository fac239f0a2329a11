/** The history of the last 72 hours: every row and name by its checksum. */
import { verifyHistory } from "../../history/verify.ts";
import type { Check, Finding } from "./check.ts";

export const history: Check = {
  name: "history",
  *look({ dataDir }): Generator<Finding> {
    const found = verifyHistory(`${dataDir}/history`);
    if (found === undefined) return;
    const { rows, damaged, isNewer } = found;
    if (isNewer) {
      yield {
        level: "warning",
        where: "history",
        what: "a later version of evs has written it; this one leaves it alone",
        hint: "use that version, or remove the file: nothing but charts depends on it",
      };
      return;
    }
    // Nobody asks whether charts are intact.
    if (damaged === 0) return;
    // No damage to what was acknowledged: a power cut may have cut what was not synced.
    yield {
      level: "warning",
      where: "history",
      what: `${damaged === 1 ? "1 entry does" : `${damaged} entries do`} not match the checksum: ` +
        "left out of charts; events and subscriptions are not concerned",
      hint: "nothing, after a power cut: it is written over within 72 h; else check the disk",
      details: { rows, damaged },
    };
  },
};
