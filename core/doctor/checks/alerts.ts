/** What a running daemon itself calls for a look at: alerts, and publishers that it refuses. */
import type { Check, Finding } from "./check.ts";
import { counted } from "./counted.ts";

export const alerts: Check = {
  name: "alerts",
  *look({ status, dataDir }): Generator<Finding> {
    for (const alert of status?.alerts ?? []) {
      // Other checks look at these themselves, and say more.
      if (alert.name === "leased" || alert.name === "disk") continue;
      const { subscription, message } = alert;
      yield {
        level: "warning",
        where: subscription ?? dataDir,
        what: message,
        hint: subscription === undefined
          ? "evs dlq groups"
          : `evs subscription show ${subscription}`,
        details: { ...alert },
      };
    }
    for (const { code, count } of status?.refused ?? []) {
      yield {
        level: "warning",
        where: code,
        what: `publishers were refused ${counted(count, "time")} in the last five minutes: ${code}`,
        hint: "evs docs errors says what that means",
        details: { code, count },
      };
    }
  },
};
