/** Which dead letters the arguments and filters of `evs dlq` select. */
import assert from "node:assert/strict";
import fc from "../../packages/fast_check.ts";
import { assertFound, countReply } from "../../../commands/dlq/outcome.ts";
import {
  assertSelected,
  listQuery,
  noneFound,
  selection,
} from "../../../commands/dlq/selection.ts";
import { describeDeadLetter } from "../../../commands/dlq/show.ts";
import { palette } from "../../../commands/terminal/colour.ts";
import { InvalidArgumentError, NotFoundError } from "../../../core/base/errors.ts";
import { paceInChunks } from "../../../core/base/rate.ts";

Deno.test("selection holds only what was given", () => {
  assert.deepEqual(selection({ all: false }, { ids: [], now: 5_000 }), {});
  assert.deepEqual(
    selection({ topic: "t", since: 1_000, all: true }, { ids: ["a"], now: 5_000 }),
    { ids: ["a"], topic: "t", since: 4_000, all: true },
  );
  const ages = selection({ since: 3_000, before: 1_000 }, { ids: [], now: 5_000 });
  assert.deepEqual(ages, { since: 2_000, before: 4_000 });
  assert.deepEqual(listQuery(ages).before, 4_000);
});

Deno.test("noneFound says that there may be others when there was a filter", () => {
  assert.equal(noneFound(selection({}, { ids: [], now: 0 })), "no dead letters");
  const mistyped = selection({ subscription: "mailr" }, { ids: [], now: 0 });
  assert.equal(noneFound(mistyped), "no dead letters match; without the filters: evs dlq list");
});

Deno.test("assertSelected refuses when nothing was selected", () => {
  assert.throws(
    () => assertSelected({}, "retry"),
    (error) =>
      error instanceof InvalidArgumentError &&
      error.hint!.startsWith("evs dlq retry --all --dry-run "),
    "what only looks is named first",
  );
  assertSelected({ all: true }, "retry");
  assertSelected({ ids: ["a"] }, "retry");
});

Deno.test("assertFound refuses when named ids are no dead letters", () => {
  const none = { count: 0, dryRun: false, bySubscription: {} };
  assert.throws(() => assertFound(none, ["a"]), NotFoundError);
  assertFound(none, []);
  assertFound({ ...none, count: 1 }, ["a", "b"]);
});

Deno.test("pace keeps the rate exactly in chunks that the daemon takes", () => {
  fc.assert(fc.property(
    fc.integer({ min: 1, max: 999_999_999 }),
    fc.constantFrom(1_000, 60_000, 3_600_000),
    (count, perMs) => {
      const { size, everyMs } = paceInChunks({ count, perMs });
      assert.ok(size >= 1 && size <= 1_000);
      const perSecond = size / everyMs * 1_000;
      const wanted = count / perMs * 1_000;
      assert.ok(Math.abs(perSecond - wanted) <= wanted * 1e-9);
    },
  ));
});

Deno.test("countReply names every subscription", () => {
  const reply = { count: 4, dryRun: false, bySubscription: { mailer: 3, billing: 1 } };
  assert.equal(countReply(reply), "4 dead letters (mailer 3, billing 1)");
  assert.equal(
    countReply({ count: 1, dryRun: true, bySubscription: { a: 1 } }),
    "1 dead letter (a 1)",
  );
});

Deno.test("describeDeadLetter escapes what an event and a handler wrote", () => {
  const text = describeDeadLetter({
    subscription: "mailer",
    topic: "users",
    seq: 2,
    id: "id-2",
    type: "user.created",
    reason: "exit code 3",
    diedAt: 0,
    event: {},
    attempts: [{
      attempt: 1,
      startedAt: 0,
      durationMs: 12,
      outcome: "retry",
      error: "exit code 3",
      exitCode: 3,
      stderr: "first\n\x1b[31m\x1b]0;title\x07second\n",
    }],
  }, { payload: '{"a":"\x1b[31m"}', schema: "none registered", paint: palette(false) });
  assert.ok(!text.includes("\x1b") && !text.includes("\x07"));
  assert.match(text, /attempt 1 .* 12ms {2}exit 3/);
  assert.match(text, /\n {2}first\n {2}\S*title\S*second\n/);
  assert.match(text, /evs dlq retry mailer:id-2/);
});
