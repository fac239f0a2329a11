/** Reads every event in the file store and verifies its checksum. */
import { damageText } from "../../store/damage.ts";
import { verifyFileStore } from "../../store/file/verify.ts";
import type { Check, CheckContext, Finding } from "./check.ts";
import { exists } from "../../base/if_there.ts";
import { counted } from "./counted.ts";

const RESTORE = "evs restore FILE brings back a backup; evs doctor --accept acknowledges the loss";

export const fileStore: Check = {
  name: "file-store",
  async *look(context, { seen, ends: lastSeqs }): AsyncGenerator<Finding> {
    const { dataDir, quick } = context;
    const where = "events";
    if (quick || !exists(`${dataDir}/${where}`)) return;
    // Ask first: whatever a running daemon writes after these seqs is not checked.
    const ends = await endsOf(context);
    const { topics, foreign } = verifyFileStore(`${dataDir}/${where}`, {
      now: context.now,
      seen,
    });
    for (const { name, lastSeq } of topics) lastSeqs.set(name, lastSeq);
    for (const { name, damage, notes } of topics) {
      for (const found of damage) {
        if (ends && Math.min(found.firstSeq, found.lastSeq) > (ends.get(name) ?? 0)) continue;
        const { accepted } = found;
        yield {
          level: accepted ? "ok" : "damage",
          where,
          what: `${damageText(found)}${accepted ? " (accepted)" : ""}`,
          ...(accepted ? {} : { hint: RESTORE }),
          details: { ...found },
        };
      }
      // A crash leaves a torn tail, and while a daemon is writing there always is one.
      for (const what of ends ? [] : notes) {
        const hint = "evs daemon start repairs it";
        yield { level: "warning", where, what: `topic ${name}: ${what}`, hint };
      }
    }
    for (const path of foreign) {
      yield { level: "warning", where, what: `${path} is not ours; it is left alone` };
    }
    const all = topics.reduce((sum, { firstSeq, lastSeq }) => sum + lastSeq - firstSeq + 1, 0);
    const lost = topics.reduce(
      (sum, { damage }) =>
        sum +
        damage.filter((found) => found.lost).reduce(
          (n, { firstSeq, lastSeq }) => n + lastSeq - firstSeq + 1,
          0,
        ),
      0,
    );
    const share = lost === 0 ? "all intact" : `${lost} of them lost`;
    const what = `${counted(topics.length, "topic")}, ${counted(all, "event")}, ${share}`;
    yield { level: "ok", where, what, details: { topics: topics.length, events: all, lost } };
  },
};

async function endsOf({ ask }: CheckContext): Promise<Map<string, number> | undefined> {
  if (!ask) return undefined;
  const { topics } = await ask("/v1/topics") as { topics: { name: string; lastSeq: number }[] };
  return new Map(topics.map(({ name, lastSeq }) => [name, lastSeq]));
}
