/** The flags of `evs consume` and the notices about its settings. */
import assert from "node:assert/strict";
import { noticesFor, requestedSubscription } from "../../commands/consume.ts";
import { consumeSummary, deadNotice, exitCode } from "../../commands/consumer/result.ts";
import type { SubscriptionInfo } from "../../core/protocol/protocol.ts";
import { effectOf } from "../../commands/subscription/seek.ts";

const flags = {
  name: "mailer",
  concurrency: 1,
  stdin: "payload" as const,
  untilEmpty: false,
  update: false,
  resume: true,
};
const none = { done: 0, retried: 0, dead: 0, lost: 0 };

Deno.test("subscriptionRequest asks only for the settings that were given", () => {
  assert.deepEqual(requestedSubscription("t", flags), {
    topic: "t",
    settings: {},
    update: false,
    resume: true,
  });
  assert.deepEqual(
    requestedSubscription("t", { ...flags, maxRetries: 0, type: ["a"], from: "end", update: true }),
    {
      topic: "t",
      from: "end",
      settings: { maxRetries: 0, eventTypes: ["a"] },
      update: true,
      resume: true,
    },
  );
});

Deno.test("noticesFor tells of other settings, and of --from on a subscription that is there", () => {
  const info = { name: "mailer", topic: "t", cursors: [{}], differs: ["maxRetries", "backoff"] };
  const notices = noticesFor(info as unknown as SubscriptionInfo, { from: "end" }).join("\n");
  assert.match(notices, /--max-retries, --backoff.*--update/);
  assert.match(notices, /evs subscription seek mailer end/);
  assert.deepEqual(noticesFor({ ...info, differs: [] } as unknown as SubscriptionInfo, {}), []);
});

Deno.test("exitCode is 0, also after SIGTERM, 6 with dead letters, 1 when paused, 130 after Ctrl-C", () => {
  assert.equal(exitCode({ ...none, done: 3, retried: 2 }), 0);
  assert.equal(exitCode({ ...none, dead: 1 }), 6);
  assert.equal(exitCode({ ...none, dead: 1, paused: "why" }), 1);
  assert.equal(exitCode({ ...none, paused: "why", interrupted: "SIGINT" }), 130);
  assert.equal(exitCode({ ...none, dead: 1, interrupted: "SIGTERM" }), 0);
  assert.equal(exitCode({ ...none, interrupted: "SIGTERM" }), 0);
  assert.equal(exitCode({ ...none, dead: 1, interrupted: "SIGPIPE" }), 0);
  assert.equal(
    consumeSummary({ ...none, done: 2, lost: 1 }),
    "2 done, 0 retried, 0 dead, 1 to come again",
  );
});

Deno.test("deadNotice says what to type next, for this subscription alone", () => {
  assert.match(deadNotice("mailer"), /\n {2}evs dlq groups --subscription mailer$/);
});

Deno.test("effectOf says what a seek costs", () => {
  assert.equal(effectOf({ redo: 1, skip: 0 }), "delivers 1 event again");
  assert.equal(effectOf({ redo: 0, skip: 2 }), "skips 2 events for good");
  assert.equal(effectOf({ redo: 0, skip: 0 }), "moves nothing");
});
