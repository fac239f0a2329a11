/** Replays and tails tell what was deleted before they came to it, and where in the order. */
import assert from "node:assert/strict";
import { isPromise } from "../../../core/base/maybe_promise.ts";
import { type Missed, partNotices } from "../../../core/reading/missed.ts";
import { replay } from "../../../core/reading/replay.ts";
import { Tail } from "../../../core/reading/tail.ts";
import { FileEventStore } from "../../../core/store/file/file_event_store.ts";
import { MemoryEventStore } from "../../../core/store/memory.ts";
import { SqliteEventStore } from "../../../core/store/sqlite/sqlite_event_store.ts";
import type { JournalStore } from "../../../core/store/store.ts";
import { inFolder } from "../../helpers/start.ts";
import { newEvent } from "../store/conformance.ts";

const STORES: Record<string, (folder: string) => JournalStore> = {
  MemoryEventStore: () => new MemoryEventStore(),
  SqliteEventStore: (folder) => new SqliteEventStore(`${folder}/events.db`, { durability: "os" }),
  FileEventStore: (folder) => new FileEventStore(`${folder}/events`, { durability: "os" }),
};

/** More than a page of either kind. */
const MANY = 10_000;
const decoder = new TextDecoder();

async function fill(store: JournalStore, topics: readonly string[]): Promise<void> {
  for (const topic of topics) {
    const events = Array.from({ length: MANY }, (_, i) => newEvent({ timestamp: i, type: "x" }));
    await store.append([{ topic, events }]);
  }
}

/** What a reader gets of each topic, and where it is told of a gap; `meanwhile` runs after a page. */
async function read(
  store: JournalStore,
  topics: readonly string[],
  { from = 1, to = MANY, limit, meanwhile = () => Promise.resolve() }: {
    from?: number;
    to?: number;
    limit?: number;
    meanwhile?: () => Promise<unknown>;
  } = {},
): Promise<Map<string, [from: number, to: number, what: "got" | "missed"][]>> {
  const runs = new Map<string, [number, number, "got" | "missed"][]>();
  const note = (topic: string, [first, last, what]: [number, number, "got" | "missed"]) => {
    const before = runs.get(topic) ?? [];
    runs.set(topic, before);
    const run = before.at(-1);
    if (run?.[2] === what && run[1] === first - 1) run[1] = last;
    else before.push([first, last, what]);
  };
  const pages = replay(store, {
    ranges: topics.map((topic) => ({ topic, from, to })),
    onMissed: ({ topic, from, to }) => note(topic, [from, to, "missed"]),
    ...(limit === undefined ? {} : { limit }),
  });
  let once = false;
  for (const page of pages) {
    if (isPromise(page)) {
      await page;
      continue;
    }
    for (const line of decoder.decode(page).split("\n").filter(Boolean)) {
      const { topic, seq } = JSON.parse(line);
      note(topic, [seq, seq, "got"]);
    }
    if (once || runs.size < topics.length) continue;
    once = true;
    await meanwhile();
  }
  return runs;
}

for (const [name, open] of Object.entries(STORES)) {
  Deno.test(`replay of ${name} tells what is gone when it begins there`, () =>
    inFolder(async (folder) => {
      const store = open(folder);
      await fill(store, ["a", "b"]);
      for (const topic of ["a", "b"]) await store.truncate(topic, 9001);
      const runs = [[5, 9000, "missed"], [9001, MANY, "got"]];
      assert.deepEqual((await read(store, ["a"], { from: 5 })).get("a"), runs);
      for (const told of (await read(store, ["a", "b"], { from: 5 })).values()) {
        assert.deepEqual(told, runs);
      }
      const whole = await read(store, ["a"], { from: 5, to: 80 });
      assert.deepEqual([...whole.values()], [[[5, 80, "missed"]]]);
      const some = await read(store, ["a"], { from: 9000, limit: 3 });
      assert.deepEqual(some.get("a"), [[9000, 9000, "missed"], [9001, 9003, "got"]]);
      assert.deepEqual((await read(store, ["a"], { from: 9001 })).get("a"), runs.slice(1));
      await store.close();
    }));

  for (const topics of [["a"], ["a", "b"]]) {
    Deno.test(`replay of ${topics.length} of ${name} tells what is gone, behind what came before, when it is overtaken`, () =>
      inFolder(async (folder) => {
        const store = open(folder);
        await fill(store, topics);
        const runs = await read(store, topics, {
          async meanwhile() {
            for (const topic of topics) await store.truncate(topic, 9001);
          },
        });
        for (const topic of topics) {
          const [before, gap, after] = runs.get(topic)!;
          assert.deepEqual(runs.get(topic), [
            [1, before![1], "got"],
            [before![1] + 1, 9000, "missed"],
            [9001, MANY, "got"],
          ], `${topic} ${gap} ${after}`);
        }
        await store.close();
      }));
  }

  Deno.test(`replay of ${name} tells what is gone when the topic is removed meanwhile`, () =>
    inFolder(async (folder) => {
      const store = open(folder);
      await fill(store, ["a"]);
      const runs = (await read(store, ["a"], { meanwhile: () => store.removeTopic!("a") })).get(
        "a",
      )!;
      const [[, last]] = runs as [[number, number, string]];
      assert.ok(last < MANY);
      assert.deepEqual(runs, [[1, last, "got"], [last + 1, MANY, "missed"]]);
      await store.close();
    }));

  Deno.test(`tail of ${name} tells what is gone when retention overtakes it`, () =>
    inFolder(async (folder) => {
      const store = open(folder);
      const append = (count: number) =>
        store.append([{ topic: "t", events: Array.from({ length: count }, () => newEvent()) }]);
      await append(10);
      const told: string[] = [];
      const tail = new Tail({ store, onCommit: () => () => {} }, {
        matches: () => true,
        positions: new Map([["t", 1]]),
        onMissed: ({ topic, from, to, count }) =>
          told.push(`${count} of ${topic}: ${from} to ${to}`),
      });
      const next = async () => {
        for (const line of decoder.decode(await tail.next()).split("\n").filter(Boolean)) {
          told.push(String(JSON.parse(line).seq));
        }
      };
      await store.truncate("t", 9);
      await next();
      assert.deepEqual(told, ["8 of t: 1 to 8"], "before what is left");
      await next();
      assert.deepEqual(told.slice(1), ["9", "10"]);
      tail.close();
      await store.close();
    }));
}

Deno.test("partNotices gives back events and notices in their order", () => {
  const missed: Missed = { topic: "t", from: 1, to: 2, count: 2 };
  const notice = `\x1e${JSON.stringify({ missed })}\n`;
  const block = new TextEncoder().encode(`{"a":1}\n${notice}${notice}{"a":2}\n`);
  const parts = [...partNotices(block)]
    .map((part) => part instanceof Uint8Array ? decoder.decode(part) : part);
  assert.deepEqual(parts, ['{"a":1}\n', missed, missed, '{"a":2}\n']);
});
