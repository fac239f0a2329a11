/** Writes the positions of several nodes as those of one process. */
import type { Query } from "../../postgres/connection.ts";
import type { StateTables, StateValue } from "../../state/state_tables.ts";
import { PartPositions } from "./part_positions.ts";
import { rowsOf, SMALL } from "./rows_of.ts";

/** A subscription in a topic. */
interface Place {
  subscription: string;
  topic: string;
  positions: PartPositions;
  /** The topic of the events; absent if it never had any. */
  id: number | undefined;
  firstSeq: number;
}

/** What retention took before it was delivered. */
interface Missed {
  first: number;
  last: number;
  count: number;
}

const CURSORS = `SELECT c.subscription, c.topic, s.parts, t.topic_id, t.first_seq,
    json_agg(json_build_array(c.part, c.next))::text AS nexts
  FROM evs.cursors AS c JOIN evs.subscriptions AS s ON s.name = c.subscription
  LEFT JOIN evs.topics AS t ON t.name = c.topic
  GROUP BY c.subscription, c.topic, s.parts, t.topic_id, t.first_seq`;
const MISSED = `SELECT subscription, topic, min(first)::bigint AS first, max(last)::bigint AS last,
    sum(count)::bigint AS count FROM evs.missed GROUP BY subscription, topic`;
const EXPIRED = `SELECT subscription, topic, sum(count)::bigint AS count FROM evs.expired
  GROUP BY subscription, topic`;
const UNANSWERED = "SELECT subscription, topic, id, seq, count FROM evs.unanswered";
const BEGUN = "SELECT subscription, consumer, events FROM evs.begun";

/** Copies what the transaction of `query` sees. */
export async function positionsFrom(query: Query, state: StateTables): Promise<void> {
  const missed = new Map<string, Missed>();
  for (const { subscription, topic, first, last, count } of await query<Counted>(MISSED)) {
    missed.set(nameOf({ subscription, topic }), { first, last, count });
  }
  for (const place of await placesOf(query)) await placeFrom(query, { state, place, missed });
  state.insert(
    "missed",
    ["subscription", "topic", "first", "last", "count"],
    Array.from(
      missed,
      ([name, { first, last, count }]) => [...name.split("\n"), first, last, count],
    ),
  );
  const plain: [table: string, columns: string[], text: string][] = [
    ["expired", ["subscription", "topic", "count"], EXPIRED],
    ["unanswered", ["subscription", "topic", "id", "seq", "count"], UNANSWERED],
  ];
  for (const [table, columns, text] of plain) {
    for await (const rows of rowsOf(query, text)) {
      state.insert(
        table,
        columns,
        rows.map((row) => columns.map((name) => row[name] as StateValue)),
      );
    }
  }
  for await (const rows of rowsOf(query, BEGUN)) {
    state.insert(
      "begun",
      ["subscription", "consumer", "events"],
      rows.map((row) => [
        row["subscription"] as string,
        row["consumer"] as string,
        withoutParts(row["events"] as string),
      ]),
    );
  }
}

type Counted = Missed & { subscription: string; topic: string };

const nameOf = ({ subscription, topic }: { subscription: string; topic: string }) =>
  `${subscription}\n${topic}`;

async function placesOf(query: Query): Promise<Place[]> {
  const rows = await query<{
    subscription: string;
    topic: string;
    parts: number;
    topic_id: number | null;
    first_seq: number | null;
    nexts: string;
  }>(CURSORS);
  return rows.map(({ subscription, topic, parts, topic_id, first_seq, nexts }) => ({
    subscription,
    topic,
    positions: new PartPositions(parts, new Map(JSON.parse(nexts))),
    id: topic_id ?? undefined,
    firstSeq: first_seq ?? 1,
  }));
}

interface PlaceCopy {
  state: StateTables;
  place: Place;
  missed: Map<string, Missed>;
}

async function placeFrom(query: Query, { state, place, missed }: PlaceCopy): Promise<void> {
  const { subscription, topic, positions, firstSeq } = place;
  const { lowest, highest } = positions;
  // Where all stand together, the one process finds by itself what it has missed.
  const next = lowest === highest ? lowest : Math.max(lowest, Math.min(firstSeq, highest));
  state.insert("cursors", ["subscription", "topic", "next"], [[subscription, topic, next]]);
  let markedBelow = 0;
  const marks = (seqs: readonly number[]) =>
    state.insert(
      "done",
      ["subscription", "topic", "seq"],
      seqs.map((s) => [subscription, topic, s]),
    );
  if (lowest < highest && place.id !== undefined) {
    const events = `SELECT seq, slot FROM evs.events WHERE topic_id = ${place.id}
      AND seq >= ${Math.max(next, firstSeq)} AND seq < ${highest} ORDER BY seq`;
    for await (const rows of rowsOf(query, events, SMALL)) {
      marks(
        rows.map((row) => [row["seq"], row["slot"]] as [number, number])
          .filter(([seq, slot]) => positions.hasSettled(seq, slot)).map(([seq]) => seq),
      );
    }
  }
  // No name has a quote in it.
  const done = `SELECT part, seq FROM evs.done WHERE subscription = '${subscription}'
    AND topic = '${topic}' ORDER BY seq`;
  for await (const rows of rowsOf(query, done, SMALL)) {
    const beyond = rows.map((row) => [row["part"], row["seq"]] as [number, number])
      .filter(([part, seq]) => seq >= positions.of(part)).map(([, seq]) => seq);
    markedBelow += beyond.filter((seq) => seq < next).length;
    marks(beyond.filter((seq) => seq >= next));
  }
  const count = next > lowest ? positions.missedBelow(next) - markedBelow : 0;
  if (count > 0) addMissed(missed, nameOf(place), { first: lowest, last: next - 1, count });
}

function addMissed(missed: Map<string, Missed>, name: string, more: Missed): void {
  const { first, last, count } = missed.get(name) ?? { ...more, count: 0 };
  missed.set(name, {
    first: Math.min(first, more.first),
    last: Math.max(last, more.last),
    count: count + more.count,
  });
}

function withoutParts(events: string): string {
  const all: { part?: number }[] = JSON.parse(events);
  return JSON.stringify(all.map(({ part: _, ...event }) => event));
}
