/** What is in an event database, for a backup that goes to another kind of store. */
import { type Clock, systemClock } from "../../base/clock.ts";
import { type AgeMark, SPACING_MS } from "../age_marks.ts";
import type { KeptEvent, KeptEvents, KeptId, KeptTopic } from "../kept_events.ts";
import { SqliteAges } from "./ages.ts";
import { openEventDatabase } from "./event_database.ts";
import { SqliteKeyCounts } from "./key_counts.ts";
import { SqliteReader } from "./reader.ts";
import { type Prepare, statementsOf } from "./statements.ts";
import { loadTopics, type TopicRow } from "./topics.ts";

/** Events that are looked at for a page. */
const PAGE = 1000;

/** Opens the database at `path`, which nobody else uses, and migrates an older one. */
export function openKeptDatabase(path: string, clock: Clock = systemClock): KeptEvents {
  const database = openEventDatabase(path);
  const prepare = statementsOf(database);
  // What is damaged is left out, and missed by whoever reads the copy.
  const report = () => {};
  const topics = loadTopics({ prepare, report, write: true });
  const reader = new SqliteReader(database, { topics, report });
  const counts = new SqliteKeyCounts(prepare);
  const ages = new SqliteAges(prepare, { clock, isInTransaction: () => database.isTransaction });
  const skew = ages.now() - clock.now();
  const idOf = prepare("SELECT seq, received_at AS at FROM given_ids WHERE topic = ? AND id = ?");
  return {
    topics: () => [...topics.values()].map(asKept),
    *pages(topic) {
      const row = topics.get(topic);
      if (!row) return;
      const stored = new StoredTimes(marksOf({ prepare, ages }, row), clock.now() + skew);
      for (let from = row.firstSeq; from <= row.lastSeq;) {
        const page = reader.readPage(topic, { from, to: row.lastSeq, limit: PAGE });
        from = page.next;
        if (page.events.length === 0) continue;
        yield page.events.map((event): KeptEvent => {
          const id = idOf.get(row.id, event.id) as { seq: number; at: number } | undefined;
          const given = id?.seq === event.seq;
          const storedAt = stored.of(event.seq, given ? id?.at : undefined) - skew;
          return { event, given, storedAt };
        });
      }
    },
    *ids(topic) {
      const row = topics.get(topic);
      if (!row) return;
      const rows = prepare(
        "SELECT id, seq, received_at AS storedAt FROM given_ids WHERE topic = ? AND seq < ?",
      ).iterate(row.id, row.firstSeq) as unknown as Iterable<KeptId>;
      for (const { id, seq, storedAt } of rows) yield { id, seq, storedAt: storedAt - skew };
    },
    lastOfKey: (topic, key) => counts.of(topics.get(topic)!, key),
    countsApart: (topic) =>
      prepare("SELECT 1 FROM key_counts WHERE topic = ? LIMIT 1").get(topics.get(topic)!.id) !==
        undefined,
    close: () => database.close(),
  };
}

const asKept = ({ name, firstSeq, lastSeq }: TopicRow): KeptTopic => ({ name, firstSeq, lastSeq });

/** When events were stored; for a topic without marks they are estimated first. */
function marksOf(
  { prepare, ages }: { prepare: Prepare; ages: SqliteAges },
  topic: TopicRow,
): AgeMark[] {
  prepare("BEGIN").run();
  ages.seek(topic, 0);
  prepare("COMMIT").run();
  ages.commit();
  return ages.marks(topic.id);
}

/** When each event was stored, at the latest: asked for in the order of their seqs. */
class StoredTimes {
  readonly #marks: readonly AgeMark[];
  readonly #now: number;
  #next = 0;
  #last = 0;

  constructor(marks: readonly AgeMark[], now: number) {
    this.#marks = marks;
    this.#now = now;
  }

  /** `exact`: the time itself, if it is known. */
  of(seq: number, exact: number | undefined): number {
    while (this.#next < this.#marks.length && this.#marks[this.#next]!.seq <= seq) this.#next++;
    const at = this.#marks[this.#next - 1]?.at ?? 0;
    const next = this.#marks[this.#next]?.at ?? this.#now;
    // Better kept too long than deleted too early.
    const found = exact ?? Math.min(at + SPACING_MS - 1, next, this.#now);
    return this.#last = Math.max(this.#last, Math.min(found, this.#now));
  }
}
