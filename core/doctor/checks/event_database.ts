/** Reads every event in the SQLite store and verifies its checksum. */
import { damageText } from "../../store/damage.ts";
import { verifyEventDatabase } from "../../store/sqlite/verify.ts";
import type { Check, Finding } from "./check.ts";
import { exists } from "../../base/if_there.ts";
import { counted } from "./counted.ts";

const WHERE = "events.db";
const RESTORE = "evs restore FILE brings back a backup; evs doctor --accept acknowledges the loss";

export const eventDatabase: Check = {
  name: "event-database",
  *look({ dataDir, quick }, { seen, ends }): Generator<Finding> {
    const path = `${dataDir}/${WHERE}`;
    if (!exists(path) || Deno.statSync(path).size === 0) return;
    const { format, checked, topics, found, known, faults } = verifyEventDatabase(path, {
      quick,
      seen,
    });
    for (const { topic, lastSeq } of topics) ends.set(topic, lastSeq);
    if (!checked) {
      yield {
        level: "warning",
        where: WHERE,
        what: `format ${format} has no checksums yet; it is migrated when a daemon starts`,
        hint: "evs daemon start",
      };
      return;
    }
    for (const what of faults) yield { level: "damage", where: WHERE, what, hint: RESTORE };
    for (const damage of known) {
      const level = damage.accepted ? "ok" : "damage";
      const what = `${damageText(damage)} (${damage.accepted ? "accepted" : "found before"})`;
      yield {
        level,
        where: WHERE,
        what,
        ...(damage.accepted ? {} : { hint: RESTORE }),
        details: { ...damage },
      };
    }
    for (const damage of found) {
      yield {
        level: "damage",
        where: WHERE,
        what: damageText(damage),
        hint: RESTORE,
        details: { ...damage },
      };
    }
    const intact = topics.reduce((sum, topic) => sum + topic.intact, 0);
    const all = topics.reduce((sum, { firstSeq, lastSeq }) => sum + lastSeq - firstSeq + 1, 0);
    const share = intact === all ? "all intact" : `${all - intact} of them lost`;
    yield {
      level: "ok",
      where: WHERE,
      what: `${counted(topics.length, "topic")}, ${counted(all, "event")}, ${
        quick ? "not read (--quick)" : share
      }`,
      details: { topics: topics.length, events: all, intact: quick ? undefined : intact },
    };
  },
};
