/**
 * What judges must let pass of what is stored, read and redacted, because nobody outside can know
 * better, and how near to that they still find a breach. Each came from a seed in which a judge
 * accused wrongly.
 */
import assert from "node:assert/strict";
import { History } from "./history.ts";

Deno.test("judges forgive what the model cannot know when something was disturbed", () => {
  const history = new History();
  history.subscribed();
  history.published(1, { seq: 1 });
  const run = history.began(1, { seq: 1 });
  history.fact({ is: "down", how: "killed" });
  history.fact({ is: "ended", run, outcome: "done", sure: false });
  history.fact({ is: "gone", holder: "c" });
  // The answer was kept or not: it may come once more, and as the same attempt.
  history.pass(20_000);
  history.handled(1, { seq: 1, attempt: 1 }, "done");
  assert.deepEqual(history.findings(), []);
});

Deno.test("judges of order leave out what was lost with a file, and nothing else", () => {
  for (const isLost of [true, false]) {
    const history = new History();
    history.published(1, { seq: 1 });
    history.published(2, { seq: 2 });
    history.published(3, { seq: 3 });
    history.fact({ is: "damaged", what: "the file is taken away" });
    // How far the topic went was not written down yet: the number 2 is given again.
    history.published(4, { seq: 2 });
    history.stored.splice(1, isLost ? 2 : 1);
    history.end.damage = ["topics that are gone"];
    const found = history.findings().map(({ judge }) => judge);
    assert.equal(found.includes("a publisher's order is kept"), !isLost, found.join());
  }
});

Deno.test("judges of order look at where events were stored first", () => {
  for (const isInOrder of [true, false]) {
    const history = new History();
    const request = { to: "publish" as const, publisher: "p", together: false };
    const asks = [1, 2].map((n) => history.asked({ ...request, events: [{ n, topic: "a" }] }));
    history.fact({ is: "clock stepped", byMs: 2_592_000_000 });
    // The daemon had stored both, and forgot their ids: sent again, they are stored again.
    const numbers = isInOrder ? [1, 2, 1, 2] : [2, 1, 1, 2];
    numbers.forEach((n, i) => {
      history.stored.push({ n, topic: "a", seq: i + 1, id: `id-${n}` });
    });
    asks.forEach((ask, i) =>
      history.fact({ is: "done", ask, receipts: [{ n: i + 1, seq: i + 3 }] })
    );
    const found = history.findings().map(({ judge }) => judge);
    assert.deepEqual(found, isInOrder ? [] : ["a publisher's order is kept"]);
  }
});

Deno.test("judges let an event be stored by a second request when the first is refused", () => {
  const history = new History();
  const events = [{ n: 1, topic: "a" }];
  const publish = { to: "publish" as const, publisher: "p", events, together: false };
  const first = history.asked({ ...publish, expected: { seq: 7 } });
  history.asked(publish);
  history.fact({ is: "refused", ask: first, code: "event/conflict" });
  const event = { n: 1, topic: "a", seq: 1, id: "id-1" };
  history.stored.push(event);
  history.fact({ is: "shown", reader: "t", event });
  const found = history.findings().map(({ judge }) => judge);
  assert.ok(!found.includes("nothing is invented"), found.join());
});

Deno.test("judges let a follower get a number again that went with a file, but no event twice", () => {
  const followed = (
    { waitMs = 0, damaged = true, again = 2 }: {
      waitMs?: number;
      damaged?: boolean;
      again?: number;
    },
  ) => {
    const history = new History();
    const shows = (n: number) =>
      history.fact({ is: "shown", reader: "t", event: { n, topic: "a", seq: 1, id: `id-${n}` } });
    const events = [{ n: 1, topic: "a" }];
    const ask = history.asked({ to: "publish", publisher: "p", events, together: false });
    shows(1);
    history.fact({ is: "done", ask, receipts: [{ n: 1, seq: 1 }] });
    history.pass(waitMs);
    if (damaged) history.fact({ is: "damaged", what: "the log is taken away" });
    history.published(2, { seq: 1 });
    shows(2);
    if (again === 2) shows(2);
    history.end.damage = ["a log that is gone"];
    return history.findings().map(({ what }) => what);
  };
  // The answer came 2 s before the damage at most: the number was not written down yet.
  assert.deepEqual(followed({ again: 1 }), []);
  assert.deepEqual(followed({ again: 2 }), ["t got event 2 (a 1) after 1"]);
  assert.ok(followed({ again: 1, waitMs: 5000 }).includes("t got event 2 (a 1) after 1"));
  assert.ok(followed({ again: 1, damaged: false }).includes("t got event 2 (a 1) after 1"));
});

/** What is found when the number of event 1 is given again, to event 2, after its file was lost. */
function givenAgain(between: (h: History, lose: () => void) => void): string[] {
  const history = new History();
  history.published(1, { seq: 1 });
  between(
    history,
    () => history.fact({ is: "damaged", topic: "a", what: "the log is taken away" }),
  );
  history.published(2, { seq: 1 });
  history.stored.shift();
  history.end.damage = ["a log that is gone"];
  return history.findings().map(({ judge }) => judge);
}

Deno.test("judges let a number be given again that was not written down, as long as the daemon runs", () => {
  const goes = (h: History, how: "killed" | "power cut") => h.fact({ is: "down", how });
  const found = (between: Parameters<typeof givenAgain>[0], isFound: boolean, why: string) =>
    assert.deepEqual(givenAgain(between), isFound ? ["one number, one event"] : [], why);
  found((h, lose) => (goes(h, "killed"), h.pass(60_000), lose()), false, "it ran for a second");
  found((h, lose) => (h.pass(5000), goes(h, "killed"), lose()), true, "it ran for 6 s");
  found((h, lose) => (h.pass(5000), goes(h, "power cut"), lose()), false, "it was not synced");
  const starts = (h: History) => (goes(h, "power cut"), h.fact({ is: "up" }), h.pass(5000));
  found((h, lose) => (starts(h), lose()), true, "a start wrote it down");
  found((h, lose) => (lose(), h.pass(60_000), lose()), false, "it was lost the first time");
  const full = (h: History, by: 1 | -1) => h.fact({ is: "disturbed", what: "full disk", by });
  found((h, lose) => (full(h, 1), h.pass(60_000), lose(), full(h, -1)), false, "nothing fits");
});

Deno.test("judges let damage be told no more when the list of it is taken away", () => {
  for (const isListed of [true, false]) {
    const history = new History();
    history.published(1, { seq: 1 });
    history.pass(5000);
    history.fact({ is: "damaged", topic: "a", what: "take away: /data/events/a" });
    const what = "take away: /data/quarantine/index.ndjson";
    if (!isListed) history.fact({ is: "damaged", what });
    history.stored.length = 0;
    const found = history.findings().map(({ judge }) => judge);
    assert.deepEqual(found, isListed ? ["damage is told, and nothing else"] : []);
  }
});

/** What "redacted is gone" finds in a history in which event 2 was redacted. */
function foundRedacted(
  { before, after }: { before?: (h: History) => void; after: (h: History) => void },
): string[] {
  const history = new History();
  history.subscribed();
  history.published(1, { seq: 1 });
  history.published(2, { seq: 2 });
  before?.(history);
  history.done({ to: "redact", topic: "a", n: 2, seq: 2 });
  history.pass(60_000);
  after(history);
  return history.findings().filter(({ judge }) => judge === "redacted is gone")
    .map(({ what }) => what);
}

Deno.test("judges let a consumer begin what it may have leased before it was redacted", () => {
  const begins = (h: History) => h.handled(2, { seq: 2 }, "done");
  assert.deepEqual(foundRedacted({ after: begins }), []);
  const isFound = (of: Parameters<typeof foundRedacted>[0], why: string) =>
    assert.equal(foundRedacted(of).length, 1, why);
  isFound({ after: (h) => (h.subscribed(), begins(h)) }, "it has subscribed since then");
  const later = (h: History) => (h.published(3, { seq: 3 }), h.handled(3, { seq: 3 }, "done"));
  isFound({ after: (h) => (later(h), begins(h)) }, "it has leased others since then");
  const failed = (h: History) => h.ended(h.began(2, { seq: 2 }), "failed", 60_000);
  const retried = (h: History) => h.handled(2, { seq: 2, attempt: 2 }, "done");
  isFound({ before: failed, after: retried }, "it waited for its retry then");
});

Deno.test("judges let a reader get what was on its way when it was redacted, and no later", () => {
  for (const [askedAt, found] of [[4000, 0], [70_000, 1]] as const) {
    const after = (h: History) =>
      h.fact({ is: "read", reader: "r", topic: "a", askedAt, events: h.stored.slice() });
    assert.equal(foundRedacted({ after }).length, found, `asked at ${askedAt}`);
  }
  const shown = (h: History) => h.fact({ is: "shown", reader: "t", event: h.stored[1]! });
  assert.equal(foundRedacted({ after: shown }).length, 1, "a minute later");
  const late = (h: History) => (h.pass(-60_000), shown(h));
  assert.deepEqual(foundRedacted({ after: late }), []);
});

Deno.test("judges take what is published again, after its file is lost, for another event", () => {
  for (const isAgain of [true, false]) {
    const after = (h: History) => {
      h.fact({ is: "damaged", topic: "a", what: "taken away" });
      if (isAgain) h.published(2, { seq: 3 });
      if (isAgain) h.handled(2, { seq: 3 }, "done");
      h.end.contents = [{ n: 2, file: "events.db-wal" }];
    };
    assert.equal(foundRedacted({ after }).length, isAgain ? 0 : 1);
  }
});

Deno.test("judges know a redacted event by its id when its number was given again", () => {
  const history = new History();
  const { model } = history.judging;
  const request = { to: "publish" as const, publisher: "p", together: false };
  for (const n of [1, 2]) {
    const ask = history.asked({ ...request, events: [{ n, topic: "a", id: `id-${n}` }] });
    if (n === 2) history.fact({ is: "lost", ask, code: "daemon/connection-lost" });
    else history.fact({ is: "done", ask, receipts: [{ n, seq: 1 }] });
    if (n === 1) history.fact({ is: "damaged", what: "the log is taken away" });
  }
  // Nobody has got event 2 yet: as far as anybody knows, event 1 has the number 1.
  assert.equal(model.which({ topic: "a", seq: 1, id: "id-1" }), 1);
  const n = model.which({ topic: "a", seq: 1, id: "id-2" });
  assert.equal(n, 2);
  const event = { n, topic: "a", seq: 1, id: "id-2", redacted: true };
  history.fact({ is: "read", reader: "r", topic: "a", askedAt: 0, events: [event] });
  history.stored.push(event);
  history.end.damage = ["a log that is gone"];
  assert.deepEqual(history.findings(), []);
});

Deno.test("judges know an event that nobody got by its number", () => {
  const history = new History();
  history.published(1, { seq: 1 });
  history.published(2, { seq: 2 });
  const { model } = history.judging;
  assert.equal(model.which({ topic: "a", seq: 2, id: "given by the broker" }), 2);
  assert.equal(model.which({ topic: "a", seq: 3, id: "given by the broker" }), -1);
});

Deno.test("judges let a damaged line have what was redacted as another number, and nothing else", () => {
  const file = "/data/events/a/0000000000000001.ndjson";
  const found = (seqs: number[], isDamaged = true) =>
    foundRedacted({
      after: (h) => {
        if (isDamaged) h.fact({ is: "damaged", topic: "a", what: "a bit has flipped" });
        h.end.contents = [{ n: 2, file, seqs }];
      },
    }).length;
  assert.equal(found([]), 0, "its number cannot be read");
  assert.equal(found([7]), 0);
  assert.equal(found([7, 2]), 1, "the number that was redacted");
  assert.equal(found([7], false), 1, "nobody damaged anything");
});

Deno.test("judges let a key begin anew behind damaged events that can be read again later", () => {
  const found = (
    { keySeq = 1, damage }: { keySeq?: number; damage: "before" | "after" | "none" },
  ) => {
    const history = new History();
    const damages = (when: typeof damage) => {
      if (damage === when) history.fact({ is: "damaged", topic: "a", what: "a bit has flipped" });
    };
    for (const n of [1, 2]) history.published(n, { seq: n, key: "z", keySeq: n });
    damages("before");
    history.published(3, { seq: 3, key: "z", keySeq });
    damages("after");
    history.end.damage = ["a line"];
    return history.findings().map(({ judge }) => judge);
  };
  assert.deepEqual(found({ damage: "before" }), []);
  assert.deepEqual(found({ damage: "before", keySeq: 2 }), ["keys are numbered"]);
  assert.deepEqual(found({ damage: "after" }).slice(-1), ["keys are numbered"]);
  assert.ok(found({ damage: "none" }).includes("keys are numbered"));
});

Deno.test("judges let a log be missed that a start closed when disk and clock were against it", () => {
  const what = "state.db-wal: it is gone, and the daemon was killed: what was in it is lost";
  for (const isDisk of [true, false]) {
    for (const isClock of [true, false]) {
      const history = new History();
      if (isDisk) history.fact({ is: "disturbed", what: "disk fault" });
      if (isClock) history.fact({ is: "clock stepped", byMs: -3_600_000 });
      history.end.damage = [what, "a segment is gone"];
      assert.equal(history.findings().length, isDisk && isClock ? 1 : 2);
    }
  }
});

Deno.test("judges of expectations know an event that was stored twice by each of its numbers", () => {
  for (const [seq, isRight] of [[2, true], [1, false]] as const) {
    const history = new History();
    history.published(1, { seq: 1 });
    history.published(2, { seq: 2 });
    history.published(3, { seq: 3, expected: { seq } });
    history.fact({ is: "clock stepped", byMs: 720 * 3_600_000 });
    // The store has forgotten the id of event 2.
    history.published(2, { seq: 4 });
    const found = history.findings().map(({ judge }) => judge);
    assert.deepEqual(found, isRight ? [] : ["what was expected held"]);
  }
});

Deno.test("judges let an event be there whose request was refused when its id was forgotten", () => {
  for (const isLost of [true, false]) {
    for (const isStepped of [true, false]) {
      const history = new History();
      const events = [{ n: 1, topic: "a" }];
      const publish = { to: "publish" as const, publisher: "p", events, together: false };
      const ask = history.asked({ ...publish, expected: "none" });
      if (isLost) history.fact({ is: "down", how: "killed" });
      if (isStepped) history.fact({ is: "clock stepped", byMs: 720 * 3_600_000 });
      history.fact({ is: "refused", ask, code: "event/conflict" });
      const event = { n: 1, topic: "a", seq: 1, id: "id-1" };
      history.stored.push(event);
      history.fact({ is: "shown", reader: "t", event });
      const found = history.findings().map(({ judge }) => judge);
      assert.deepEqual(found, isLost && isStepped ? [] : ["nothing is invented"]);
    }
  }
});
