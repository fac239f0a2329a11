/**
 * What is in the folder of a file store, for a backup that goes to another kind of store. Of given
 * ids whose events were deleted, the store has hashes only, so it cannot tell them.
 */
import type { Clock } from "../../base/clock.ts";
import type { AgeClock } from "../age_clock.ts";
import type { KeptEvent, KeptEvents } from "../kept_events.ts";
import type { FileReader } from "./reader.ts";
import type { TopicWriter } from "./topic_writer.ts";
import type { Topics } from "./topics.ts";

/** The parts of a file store. */
export interface KeptFiles {
  reader: FileReader;
  topics: Topics;
  writer(topic: string): TopicWriter;
  clock: Clock;
  age: AgeClock;
}

/** Its events; closing is up to the store. */
export function keptInFiles({ reader, topics, writer, clock, age }: KeptFiles): KeptEvents {
  const skew = age.now() - clock.now();
  return {
    topics: () =>
      topics.used().map((name) => {
        const { firstSeq, lastSeq } = topics.head(name);
        return { name, firstSeq, lastSeq };
      }),
    *pages(topic) {
      const view = topics.get(topic);
      let last = 0;
      for (const segment of view?.segments ?? []) {
        for (const block of reader.blocks(topic, segment)) {
          last = Math.max(last, Math.min(block.storedAt - skew, clock.now()));
          const { given } = block;
          const events = reader.blockEvents(topic, segment, block)
            .filter(({ seq }) => seq >= view!.firstSeq);
          if (events.length === 0) continue;
          yield events.map((event): KeptEvent => ({ event, given, storedAt: last }));
        }
      }
    },
    *ids() {},
    lastOfKey: (topic, key) => writer(topic).lookups(age.now()).keySeqOfKey(key),
    countsApart: () => true,
    close() {},
  };
}
