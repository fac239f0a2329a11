/**
 * Each judge finds what breaks its promise: a hand-made history for each, which is sound but for
 * one thing. A judge without such a history could be one that never finds anything.
 */
import assert from "node:assert/strict";
import type { Seen } from "../lives/fact.ts";
import { judges } from "./all.ts";
import { deadLetter, History, infoOf } from "./history.ts";

/** Publishes, handles, fails, dies, retries: what every judge has to let pass. */
function soundLife(h: History): void {
  h.subscribed();
  h.published(1, { seq: 1, key: "x", keySeq: 1 });
  h.published(2, { seq: 2, key: "x", keySeq: 2, expected: { seq: 1 } });
  h.handled(1, { seq: 1, key: "x" }, "failed");
  h.handled(1, { seq: 1, key: "x", attempt: 2 }, "done");
  h.handled(2, { seq: 2, key: "x" }, "dead");
  h.end.dead = [deadLetter(2)];
  h.end.subscriptions = [infoOf("s", { dead: 1 })];
}

/** By judge: what it finds, and a history in which it does. */
const BREACHES: Readonly<Record<string, (h: History) => void>> = {
  "one number, one event": (h) => {
    h.published(1, { seq: 1 });
    h.published(2, { seq: 1 });
  },
  "nothing is invented": (h) => {
    h.subscribed();
    h.handled(7, { seq: 1 }, "done");
  },
  "what was acknowledged is there": (h) => {
    h.published(1, { seq: 1 });
    h.stored.length = 0;
  },
  "numbers have no holes": (h) => {
    h.published(1, { seq: 1 });
    h.published(3, { seq: 3 });
  },
  "an id is stored once": (h) => {
    h.published(1, { seq: 1 });
    h.stored.push({ ...h.stored[0]!, seq: 2 });
  },
  "a publisher's order is kept": (h) => {
    h.published(1, { seq: 2 });
    h.published(2, { seq: 1 });
    h.stored.reverse();
  },
  "all or nothing": (h) => {
    const events = [{ n: 1, topic: "a" }, { n: 2, topic: "a" }];
    h.asked({ to: "publish", publisher: "p", events, together: true });
    h.stored.push({ n: 1, topic: "a", seq: 1, id: "id-1" });
  },
  "what was expected held": (h) => {
    h.published(1, { seq: 1 });
    h.published(2, { seq: 2, expected: "none" });
  },
  "keys are numbered": (h) => {
    h.published(1, { seq: 1, key: "x", keySeq: 1 });
    h.published(2, { seq: 2, key: "x", keySeq: 1 });
  },
  "one number of a key, one event": (h) => {
    h.limited({ maxEvents: 1 });
    h.published(1, { seq: 1, key: "x", keySeq: 1 });
    h.published(2, { seq: 2, key: "x", keySeq: 1 });
    h.stored.shift();
  },
  "limits delete no more than they say": (h) => {
    h.limited({ maxEvents: 2 });
    for (const seq of [1, 2, 3]) h.published(seq, { seq });
    h.stored.splice(0, 2);
  },
  "a scheduled event is published once, when it is due": (h) => {
    h.subscribed();
    h.published(1, { seq: 0, delayMs: 60_000 });
    h.handled(1, { seq: 1 }, "done");
  },
  "redacted is gone": (h) => {
    h.published(1, { seq: 1 });
    h.done({ to: "redact", topic: "a", n: 1, seq: 1 });
    h.end.contents = [{ n: 1, file: "state.db-wal" }];
  },
  "damage is told, and nothing else": (h) => {
    h.published(1, { seq: 1 });
    h.pass(5000);
    h.fact({ is: "damaged", topic: "a", what: "taken away" });
    h.stored.length = 0;
  },
  "a tail skips nothing in silence": (h) => {
    for (const seq of [1, 2, 3]) h.published(seq, { seq });
    for (const event of [h.stored[0]!, h.stored[2]!]) h.fact({ is: "shown", reader: "t", event });
  },
  "a read skips nothing": (h) => {
    for (const seq of [1, 2, 3]) h.published(seq, { seq });
    const events = [h.stored[0]!, h.stored[2]!];
    h.fact({ is: "read", reader: "r", topic: "a", askedAt: 10_000, events });
  },
  "one consumer has an event": (h) => {
    h.subscribed();
    h.published(1, { seq: 1 });
    h.began(1, { seq: 1 });
    h.began(1, { seq: 1, holder: "d" });
  },
  "attempts count up": (h) => {
    h.subscribed();
    h.published(1, { seq: 1 });
    h.handled(1, { seq: 1 }, "failed");
    h.handled(1, { seq: 1, attempt: 1 }, "done");
  },
  "what is done stays done": (h) => {
    h.subscribed();
    h.published(1, { seq: 1 });
    h.handled(1, { seq: 1 }, "done");
    h.handled(1, { seq: 1, attempt: 2 }, "done");
  },
  "a key's events are delivered in order": (h) => {
    h.subscribed({ maxRetries: 3 });
    h.published(1, { seq: 1, key: "x", keySeq: 1 });
    h.published(2, { seq: 2, key: "x", keySeq: 2 });
    h.handled(1, { seq: 1, key: "x" }, "failed");
    h.handled(2, { seq: 2, key: "x" }, "done");
  },
  "a retry waits": (h) => {
    h.subscribed();
    h.published(1, { seq: 1 });
    h.ended(h.began(1, { seq: 1 }), "failed", 60_000);
    h.handled(1, { seq: 1, attempt: 2 }, "done");
  },
  "a paused subscription delivers nothing": (h) => {
    h.subscribed();
    h.done({ to: "pause", name: "s" });
    h.published(1, { seq: 1 });
    h.handled(1, { seq: 1 }, "done");
  },
  "no more handlers than allowed": (h) => {
    h.subscribed({ concurrency: 1 });
    h.published(1, { seq: 1 });
    h.published(2, { seq: 2 });
    h.began(1, { seq: 1 });
    h.began(2, { seq: 2 });
  },
  "what has expired is not delivered": (h) => {
    h.subscribed();
    h.published(1, { seq: 1, ttlMs: 500 });
    h.pass(60_000);
    h.handled(1, { seq: 1 }, "done");
  },
  "a dead letter has its cause": (h) => {
    h.subscribed();
    h.published(1, { seq: 1 });
    h.handled(1, { seq: 1 }, "dead");
    h.end.dead = [deadLetter(1, { attempts: 0 })];
  },
  "only what failed is dead": (h) => {
    h.subscribed({ maxRetries: 3 });
    h.published(1, { seq: 1 });
    h.handled(1, { seq: 1 }, "failed");
    h.end.dead = [deadLetter(1)];
  },
  "a dead letter is never lost": (h) => {
    h.subscribed();
    h.published(1, { seq: 1 });
    h.handled(1, { seq: 1 }, "dead");
  },
  "every event is handled": (h) => {
    h.subscribed();
    h.published(1, { seq: 1 });
  },
  "the counts agree with what is there": (h) => {
    h.subscribed();
    h.end.subscriptions = [infoOf("s", { pending: 1 })];
  },
  "an event is in one state": (h) => {
    h.subscribed();
    h.published(1, { seq: 1 });
    h.handled(1, { seq: 1 }, "done");
    h.end.dead = [deadLetter(1)];
  },
  "a restart changes nothing": (h) => {
    h.published(1, { seq: 1 });
    const events: Seen[] = [];
    h.end.again = {
      topics: [{ name: "a", firstSeq: 1, lastSeq: 1, events }],
      dead: [],
      scheduled: [],
    };
  },
  "every request is answered": (h) => void h.asked({ to: "resume", name: "s" }),
  "no bug of ours is reported": (h) => {
    h.fact({ is: "reported", code: "internal/bug", context: "delivery", text: "a stack" });
  },
};

for (const [name, breach] of Object.entries(BREACHES)) {
  Deno.test(`the judge "${name}" finds a breach when there is one`, () => {
    const history = new History();
    breach(history);
    const found = history.findings().map(({ judge }) => judge);
    assert.ok(found.includes(name), `found only: ${found.join(", ") || "nothing"}`);
  });
}

Deno.test("no judge finds anything when all went well", () => {
  const history = new History();
  soundLife(history);
  assert.deepEqual(history.findings(), []);
});

Deno.test("every judge has a name and a breach of its own", () => {
  const names = judges.map(({ name }) => name);
  assert.equal(new Set(names).size, names.length, "no name twice");
  assert.deepEqual(names.toSorted(), Object.keys(BREACHES).toSorted());
});

Deno.test("every judge stands for a heading of docs/contract.md", () => {
  const text = Deno.readTextFileSync(new URL("../../../docs/contract.md", import.meta.url));
  const headings = new Set(text.match(/^### .*$/gm)!.map((line) => line.slice(4)));
  for (const { name, promise } of judges) assert.ok(headings.has(promise), `${name}: ${promise}`);
});
