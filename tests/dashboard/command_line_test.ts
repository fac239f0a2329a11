/** The command lines that the dashboard shows mean the same to a shell. */
import assert from "node:assert/strict";
import fc from "../packages/fast_check.ts";
import { evsCommand } from "../../dashboard/view/command_line.ts";
import { flagsOf, selectionOf, viewOf } from "../../dashboard/view/dead_letter_filter.ts";
import { eventQuery, eventViewOf, tailWords } from "../../dashboard/view/event_view.ts";

/** What a shell makes of the line. */
async function wordsOf(line: string): Promise<string[]> {
  const { stdout } = await new Deno.Command("sh", {
    args: ["-c", `evs() { printf '%s\\0' "$@"; }; ${line}`],
  }).output();
  return new TextDecoder().decode(stdout).split("\0").slice(0, -1);
}

Deno.test("evsCommand gives a shell exactly the words and flags, whatever is in them", async () => {
  const text = fc.string({ unit: "grapheme", minLength: 1 }).filter((word) => !word.includes("\0"));
  await fc.assert(
    fc.asyncProperty(text, text, async (name, reason) => {
      const line = evsCommand("evs", {
        words: ["verb", `n${name}`],
        flags: { reason: `r${reason}` },
      });
      assert.deepEqual(await wordsOf(line), ["verb", `n${name}`, "--reason", `r${reason}`]);
    }),
    { numRuns: 40 },
  );
});

Deno.test("evsCommand keeps what begins with a hyphen from being read as a flag", () => {
  assert.equal(
    evsCommand("evs", { words: ["subscription", "seek", "mailer", "-100"], flags: { yes: true } }),
    "evs subscription seek mailer --yes -- -100",
  );
  assert.equal(
    evsCommand("EVS_SOCKET=/a evs", { words: ["dlq", "retry"], flags: { reason: "-x", to: "" } }),
    "EVS_SOCKET=/a evs dlq retry --reason=-x",
  );
});

Deno.test("a filter of dead letters is the same in the address, for the daemon and as flags", () => {
  const view = viewOf(new URLSearchParams("subscription=mailer&reason=a+*&since=1h&other=1"));
  assert.deepEqual(view, { subscription: "mailer", reason: "a *", since: "1h" });
  assert.deepEqual(selectionOf(view, 5_000_000), {
    subscription: "mailer",
    reason: "a *",
    since: 1_400_000,
  });
  assert.deepEqual(flagsOf(view, { all: true }), view);
  assert.deepEqual(selectionOf({}, 0), { all: true });
  assert.deepEqual(flagsOf({}, { all: true }), { all: true });
  assert.deepEqual(flagsOf({}, { all: false }), {});
});

Deno.test("a view of events is the same in the address, for the daemon and as a command", () => {
  const newest = eventViewOf("orders", new URLSearchParams("where=payload.total+%3E+1&from="));
  assert.deepEqual(eventQuery(newest), { type: undefined, where: "payload.total > 1", reverse: 1 });
  assert.equal(
    evsCommand("evs", tailWords(newest, { isLive: false })),
    "evs replay orders --where 'payload.total > 1' --reverse --limit 100",
  );
  assert.equal(
    evsCommand("evs", tailWords(newest, { isLive: true })),
    "evs tail orders --where 'payload.total > 1'",
  );
  const from = eventViewOf("orders", new URLSearchParams("type=t&from=@-1h"));
  assert.deepEqual(eventQuery(from), { type: "t", where: undefined, from: "@-1h" });
  assert.equal(
    evsCommand("evs", tailWords(from, { isLive: false })),
    "evs replay orders --type t --from @-1h",
  );
});
