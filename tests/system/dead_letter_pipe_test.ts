/**
 * `evs dlq export | jq … | evs dlq import --retry`: a thousand dead letters fixed in one real pipe.
 */
import assert from "node:assert/strict";
import { startDaemon } from "../helpers/daemon.ts";
import { settleAll } from "../helpers/dead_letters.ts";
import { evs } from "../helpers/evs.ts";
import { needTools, project } from "../helpers/shell.ts";

const EVENTS = 1000;
/** What the pipe does not fix. */
const WORSE = 5;

Deno.test("one pipe fixes a thousand dead letters, and those that fail again have old and new attempts", async () => {
  needTools("jq");
  await using at = await startDaemon();
  const lines = Array.from({ length: EVENTS }, (_, i) => `{"total":"${i + 1}"}\n`).join("");
  await evs(["publish", "t", "x", "--ndjson"], { at, stdin: lines });
  const made = await at.http("PUT", "/v1/subscriptions/s", {
    topic: "t",
    settings: { maxRetries: 0 },
  });
  assert.equal(made.status, 201, made.text);
  await settleAll(at, { subscription: "s", judge: () => ({ error: "total is text" }) });

  const pipe = `evs dlq export |
    jq -c '.event.payload.total |= (tonumber | if . <= ${WORSE} then -. else . end)' |
    evs dlq import --retry`;
  const { code, stdout, stderr } = await new Deno.Command("sh", {
    args: ["-c", pipe],
    env: {
      PATH: `${project}/bin:${Deno.env.get("PATH")}`,
      EVS_DENO: Deno.execPath(),
      EVS_SOCKET: at.socket,
      EVS_DATA_DIR: at.dataDir,
    },
  }).output();
  const decoder = new TextDecoder();
  assert.equal(code, 0, decoder.decode(stderr));
  assert.equal(JSON.parse(decoder.decode(stdout)).mended, EVENTS);

  const order: number[] = [];
  await settleAll(at, {
    subscription: "s",
    judge: ({ payload }) => {
      const { total } = payload as { total: number };
      assert.equal(typeof total, "number");
      order.push(Math.abs(total));
      return total > 0 ? "done" : { error: "total is negative" };
    },
  });
  // In the order in which they were published, though each is a new event.
  assert.deepEqual(order, Array.from({ length: EVENTS }, (_, i) => i + 1));
  const left = (await evs(["dlq", "export"], { at })).stdout.trim().split("\n")
    .map((line) => JSON.parse(line));
  const copies = left.filter(({ editedFrom }) => editedFrom !== undefined);
  // Each of them, and what it was made from.
  assert.deepEqual([left.length, copies.length], [2 * WORSE, WORSE]);
  for (const { attempts, reason, editedFrom, event } of copies) {
    assert.deepEqual(attempts.map(({ error }: { error: string }) => error), [
      "total is text",
      "total is negative",
    ]);
    assert.equal(reason, "total is negative");
    assert.equal(editedFrom, `s:${event.metadata.originalEventId}`);
  }
});
