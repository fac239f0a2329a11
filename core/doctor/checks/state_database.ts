/** Topics, subscriptions, retries, dead letters and schemas: the state database, and whether it fits the events. */
import { verifyEventDatabase } from "../../store/sqlite/verify.ts";
import { verifyStateDatabase } from "../../state/verify.ts";
import type { Check, Finding } from "./check.ts";
import { counted, exists } from "./files.ts";

const WHERE = "state.db";

export const stateDatabase: Check = {
  name: "state-database",
  *look({ dataDir, quick, status }, record): Generator<Finding> {
    const path = `${dataDir}/${WHERE}`;
    const events = `${dataDir}/events.db`;
    if (!exists(path) || Deno.statSync(path).size === 0) {
      if (!exists(events)) return;
      yield {
        level: "damage",
        where: WHERE,
        what: "it is gone: topics come back from the events when a daemon starts, subscriptions, " +
          "retries, dead letters and schemas do not",
        hint: "evs restore FILE, or start a daemon and make the subscriptions anew",
      };
      return;
    }
    const { topics, subscriptions, deadLetters, cursors, faults, snapshot } = verifyStateDatabase(
      path,
      { quick },
    );
    record.state = snapshot;
    for (const what of faults) {
      yield { level: "damage", where: WHERE, what, hint: "evs restore FILE brings back a backup" };
    }
    if (faults.length > 0) return;
    // A running daemon writes both databases: between two looks they need not fit.
    if (!status && exists(events) && Deno.statSync(events).size > 0) {
      const last = new Map(
        verifyEventDatabase(events, { quick: true }).topics.map((row) => [row.topic, row.lastSeq]),
      );
      for (const { subscription, topic, next } of cursors) {
        const end = last.get(topic);
        if (end === undefined || next <= end + 1) continue;
        yield {
          level: "damage",
          where: WHERE,
          what:
            `the subscription ${subscription} has done event ${next - 1} of ${topic}, and the ` +
            `topic ends at ${end}: events are missing`,
          hint: `evs subscription seek ${subscription} end`,
        };
      }
    }
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
