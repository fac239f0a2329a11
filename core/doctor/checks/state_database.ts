/** Checks topics, subscriptions, retries, dead letters and schemas: the state database. */
import { verifyStateDatabase } from "../../state/verify.ts";
import type { Check, Finding } from "./check.ts";
import { exists } from "../../base/if_there.ts";
import { counted } from "./counted.ts";

const WHERE = "state.db";

export const stateDatabase: Check = {
  name: "state-database",
  *look({ dataDir, quick }, record): Generator<Finding> {
    const path = `${dataDir}/${WHERE}`;
    const events = `${dataDir}/events.db`;
    if (!exists(path) || Deno.statSync(path).size === 0) {
      if (!exists(events)) return;
      yield {
        level: "damage",
        where: WHERE,
        what: "it is gone: topics come back from the events when a daemon starts, subscriptions, " +
          "retries, dead letters and schemas do not",
        hint: "evs restore FILE, or start a daemon and create the subscriptions again",
      };
      return;
    }
    const { topics, subscriptions, deadLetters, faults, snapshot } = verifyStateDatabase(
      path,
      { quick },
    );
    record.state = snapshot;
    for (const what of faults) {
      yield { level: "damage", where: WHERE, what, hint: "evs restore FILE brings back a backup" };
    }
    if (faults.length > 0) return;
    yield {
      level: "ok",
      where: WHERE,
      what: [
        counted(topics, "topic"),
        counted(subscriptions, "subscription"),
        counted(deadLetters, "dead letter"),
      ].join(", "),
    };
  },
};
