/** The events of each topic, each verified by its checksum, and whether their numbers are whole. */
import { isPromise } from "../../base/maybe_promise.ts";
import type { Postgres } from "../../postgres/connection.ts";
import type { Found } from "../../store/damage.ts";
import { Heads } from "../../store/postgres/heads.ts";
import { PostgresReader } from "../../store/postgres/reader.ts";
import type { Finding } from "../checks/check.ts";
import { counted } from "../checks/counted.ts";
import type { DatabaseCheck } from "./check.ts";

const PAGE = 1000;

export const events: DatabaseCheck = {
  name: "events",
  async *look({ postgres, quick }): AsyncGenerator<Finding> {
    yield* numbers(postgres);
    if (quick) return;
    const found: Found[] = [];
    const heads = new Heads();
    const reader = new PostgresReader({ postgres, heads, report: (one) => found.push(one) });
    await reader.refresh();
    let intact = 0;
    for (const topic of reader.topics().sort()) {
      intact += await readAll(reader, topic);
      for (const { topic, firstSeq, lastSeq, what } of found.splice(0)) {
        const range = firstSeq === lastSeq ? `seq ${firstSeq}` : `seqs ${firstSeq} to ${lastSeq}`;
        yield {
          level: "damage",
          where: topic,
          what: `${range}: ${what}`,
          hint: "restore a backup, or evs doctor --accept to go on without",
          details: { topic, firstSeq, lastSeq },
        };
      }
    }
    yield { level: "ok", where: "events", what: `${counted(intact, "event")} intact` };
  },
};

/** Reads a topic, as of when it began; returns how many events are intact. */
async function readAll(reader: PostgresReader, topic: string): Promise<number> {
  const { firstSeq, lastSeq: to } = reader.head(topic);
  let intact = 0;
  for (let from = firstSeq; from <= to;) {
    const read = reader.readPage(topic, { from, to, limit: PAGE });
    const page = isPromise(read) ? await read : read;
    intact += page.events.length;
    from = page.next;
  }
  return intact;
}

/** A row above the last number of its topic makes the next append fail. */
async function* numbers(postgres: Postgres): AsyncGenerator<Finding> {
  const rows = await postgres.query<{ name: string; last: number; highest: number }>(
    "read",
    `SELECT name, last_seq AS last, h.seq AS highest FROM evs.heads AS t, LATERAL (
       SELECT seq FROM evs.events AS e WHERE e.topic_id = t.topic_id ORDER BY seq DESC LIMIT 1
     ) AS h WHERE h.seq > last_seq ORDER BY name`,
  );
  for (const { name, last, highest } of rows) {
    yield {
      level: "damage",
      where: name,
      what: `the last seq is ${last}, and there is an event with seq ${highest}: ` +
        "nothing can be published to the topic",
      hint: "part of the database was restored from elsewhere: restore all of it",
      details: { topic: name, lastSeq: last, highest },
    };
  }
}
