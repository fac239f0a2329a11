/** Shows that a daemon whose database is away is asked once, and not waited for again and again. */
import assert from "node:assert/strict";
import { askInTime } from "../../../commands/check/ask_in_time.ts";
import { CannotStoreError, RemoteError } from "../../../core/base/errors.ts";
import { DATABASE_AWAY } from "../../../core/protocol/database_url.ts";
import { FakeClock } from "../../helpers/fake_clock.ts";

const isAway = { code: DATABASE_AWAY, name: CannotStoreError.name };

Deno.test("askInTime asks no more when an answer is late", async () => {
  const clock = new FakeClock();
  const asked: string[] = [];
  let answer = Promise.withResolvers<unknown>();
  const ask = askInTime((path) => (asked.push(path), answer.promise), { clock });
  answer.resolve("one");
  assert.equal(await ask("/1"), "one");
  assert.equal(clock.timers, 0);
  answer = Promise.withResolvers();
  const late = assert.rejects(ask("/2"), isAway);
  await clock.pass(1999);
  assert.equal(clock.timers, 1, "it waits for that long");
  await clock.pass(1);
  await late;
  await assert.rejects(ask("/3"), isAway);
  assert.deepEqual(asked, ["/1", "/2"]);
});

Deno.test("askInTime asks no more when the daemon says that the database is away, and on after any other error", async () => {
  const errors = [
    new RemoteError({ code: "topic/not-found", message: "none" }, 404),
    new RemoteError({ code: DATABASE_AWAY, message: "away" }, 507),
  ];
  let count = 0;
  const ask = askInTime(() => Promise.reject(errors[count++]), { clock: new FakeClock() });
  await assert.rejects(ask("/1"), { code: "topic/not-found" });
  await assert.rejects(ask("/2"), { code: DATABASE_AWAY, message: "away" });
  await assert.rejects(ask("/3"), isAway);
  assert.equal(count, 2);
});
