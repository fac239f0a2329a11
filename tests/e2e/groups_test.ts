/** `evs dlq groups`: hundreds of dead letters as a few causes, each of which can be sent again by its name. */
import assert from "node:assert/strict";
import { startDaemon } from "../helpers/daemon.ts";
import { evs } from "../helpers/evs.ts";

Deno.test("dlq groups names each cause, and dlq retry --reason takes it back", async () => {
  await using at = await startDaemon();
  await at.publish("t", "x", 1, 2, 3, 4, 5);
  const handler =
    `read n; test $n -lt 4 || exit 3; echo "connect to 10.0.0.$n:5432 refused" >&2; exit 1`;
  const consumed = await evs(
    [
      "consume",
      "t",
      "--name",
      "s",
      "--until-empty",
      "--max-retries",
      "0",
      "--",
      "sh",
      "-c",
      handler,
    ],
    { at },
  );
  assert.equal(consumed.code, 6, consumed.stderr);
  const { stdout, code } = await evs(["dlq", "groups"], { at });
  assert.equal(code, 0);
  const groups = stdout.trim().split("\n").map((line) => JSON.parse(line));
  assert.deepEqual(
    groups.map(({ reason, count, subscriptions }) => [reason, count, subscriptions]),
    [
      ["exit code 1: connect to * refused", 3, ["s"]],
      ["exit code 3", 2, ["s"]],
    ],
  );
  const dry = await evs(["dlq", "retry", "--reason", groups[0].reason, "--dry-run"], { at });
  assert.deepEqual(JSON.parse(dry.stdout), { count: 3, dryRun: true, bySubscription: { s: 3 } });
  const none = await evs(["dlq", "groups", "--reason", "nothing of the kind"], { at });
  assert.deepEqual([none.code, none.stdout, none.stderr], [0, "", ""]);
});
