/**
 * Contract row 9: a flipped bit anywhere in the event database never changes a returned event, and
 * every flip that changes what a read returns is detected and reported.
 */
import assert from "node:assert/strict";
import { EvsError } from "../../../../core/base/errors.ts";
import { SqliteEventStore } from "../../../../core/store/sqlite/sqlite_event_store.ts";
import { dose } from "../../../helpers/dose.ts";
import { flipBit, randomFrom } from "../../../helpers/flip.ts";
import { inFolder } from "../../../helpers/start.ts";

/** What can be read of a store: the wire line of every event, and what it says of the topics. */
interface Reading {
  lines: Map<string, string>;
  heads: string;
  answers: string;
}

const encoder = new TextEncoder();
const decoder = new TextDecoder();
const TOPICS = ["alpha", "beta", "gamma"];

function event(n: number) {
  return {
    id: n % 7 === 0 ? `given-${n}` : `01a20ef5-54ef-7000-9f31-${String(n).padStart(12, "0")}`,
    idGiven: n % 7 === 0,
    type: n % 50 === 0 ? "rare" : "common",
    timestamp: 1_700_000_000_000 + n * 1000,
    schemaVersion: "1.0",
    ...(n % 3 === 0 ? { key: `k${n % 5}` } : {}),
    metadata: "{}",
    payload: encoder.encode(JSON.stringify({ n, text: "x".repeat(n % 90) })),
  };
}

/** A database with retention, keys, given ids and blocks that are whole and not. */
async function prepare(path: string): Promise<void> {
  const store = new SqliteEventStore(path, { durability: "os" });
  for (const topic of TOPICS) {
    const events = Array.from({ length: topic === "alpha" ? 1200 : 120 }, (_, i) => event(i + 1));
    await store.append([{ topic, events }]);
  }
  await store.append([{
    topic: "beta",
    events: [{ ...event(1000), payload: encoder.encode(`"${"y".repeat(60_000)}"`) }],
  }]);
  await store.truncate("gamma", 40);
  await store.close();
}

function read(store: SqliteEventStore): Reading {
  const lines = new Map<string, string>();
  const heads = TOPICS.map((topic) => JSON.stringify(store.head(topic))).join();
  const answers: unknown[] = [];
  for (const topic of TOPICS) {
    for (const types of [undefined, ["rare"]]) {
      for (let from = 1; from <= 1500;) {
        const page = store.readLines(topic, { from, to: 1500, limit: 1024, types });
        for (const line of decoder.decode(page.bytes).split("\n").slice(0, -1)) {
          lines.set(`${topic} ${types} ${/^\{"seq":(\d+)/.exec(line)?.[1]}`, line);
        }
        from = page.next;
      }
    }
    for (let from = 1; from <= 1500;) {
      const page = store.readPage(topic, { from, to: 1500, limit: 700 });
      for (const { line, seq } of page.events) {
        lines.set(`${topic} page ${seq}`, decoder.decode(line));
      }
      from = page.next;
    }
    answers.push(store.find(topic, "given-70")?.seq, store.find(topic, event(71).id)?.seq);
    answers.push(store.seekTime(topic, 1_700_000_000_000 + 60_000), store.seekBytes(topic, 3000));
  }
  return { lines, heads, answers: JSON.stringify(answers) };
}

Deno.test("SqliteEventStore hands out no altered event and names the damage when a bit of its file flips", async () => {
  await inFolder(async (folder) => {
    const [sound, path] = [`${folder}/sound.db`, `${folder}/events.db`];
    await prepare(sound);
    const size = Deno.statSync(sound).size;
    const reference = new SqliteEventStore(sound);
    const expected = read(reference);
    await reference.close();
    const random = randomFrom(9);
    const counts = { harmless: 0, named: 0, refused: 0 };
    for (let round = 0; round < dose(100); round++) {
      const flip = { byte: random(size), bit: random(8) };
      const where = `byte ${flip.byte}, bit ${flip.bit}`;
      await Deno.copyFile(sound, path);
      flipBit(path, flip);
      try {
        const store = new SqliteEventStore(path, { durability: "os" });
        try {
          const found = read(store);
          for (const [seq, line] of found.lines) assert.equal(line, expected.lines.get(seq), where);
          const same = found.lines.size === expected.lines.size &&
            found.heads === expected.heads && found.answers === expected.answers;
          if (store.damage().length > 0) counts.named++;
          else {
            assert.ok(same, `${where}: something is missing, and nothing was said`);
            counts.harmless++;
          }
        } finally {
          await store.close();
        }
      } catch (error) {
        if (!(error instanceof EvsError)) throw error;
        counts.refused++;
      }
      for (const { name } of Deno.readDirSync(folder)) {
        if (name.startsWith("events.db")) await Deno.remove(`${folder}/${name}`);
      }
    }
    assert.ok(counts.named > dose(10), `flips must hit events: ${JSON.stringify(counts)}`);
  });
});
