/**
 * `evs dlq groups`: hundreds of dead letters with a few causes, each of which can be retried by its
 * name.
 */
import assert from "node:assert/strict";
import { startDaemon, type TestDaemon } from "../helpers/daemon.ts";
import { evs } from "../helpers/evs.ts";

/** Runs the script once for each event; some of them die. */
async function consumeOnce(at: TestDaemon, script: string): Promise<void> {
  const once = ["--name", "s", "--until-empty", "--max-retries", "0"];
  const consumed = await evs(["consume", "t", ...once, "--", "sh", "-c", script], { at });
  assert.equal(consumed.code, 6, consumed.stderr);
}

Deno.test("dlq groups names each cause, and dlq retry --reason takes it back", async () => {
  await using at = await startDaemon();
  await at.publish("t", "x", 1, 2, 3, 4, 5);
  const handler =
    `read n; test $n -lt 4 || exit 3; echo "connect to 10.0.0.$n:5432 refused" >&2; exit 1`;
  await consumeOnce(at, handler);
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

Deno.test("dlq groups tells causes apart when handlers die with the traces of real programs", async () => {
  await using at = await startDaemon();
  const traces = [
    "python-http-404",
    "python-http-503",
    "python-keyerror",
    "deno-throw",
    "java-cause",
  ];
  await evs(["publish", "t", "x", "--ndjson"], {
    at,
    stdin: traces.map((trace) => `"${trace}"\n`).join("").repeat(2),
  });
  const folder = decodeURIComponent(new URL("../fixtures/stderr/", import.meta.url).pathname);
  await consumeOnce(at, `read -r name; name=\${name#?}; cat "${folder}\${name%?}.txt" >&2; exit 1`);
  const { stdout } = await evs(["dlq", "groups"], { at });
  const groups = stdout.trim().split("\n").map((line) => JSON.parse(line));
  assert.deepEqual(groups.map(({ reason, count }) => [reason, count]), [
    [
      "exit code 1: Charge$ChargeFailed: order o-* cannot be charged; caused by java.net.ConnectException: Connection refused",
      2,
    ],
    ["exit code 1: KeyError: 'currency'", 2],
    ["exit code 1: RangeError: the total is below nothing: -*", 2],
    ["exit code 1: urllib.error.HTTPError: HTTP Error 404: Not Found", 2],
    ["exit code 1: urllib.error.HTTPError: HTTP Error 503: Service Unavailable", 2],
  ]);
});

Deno.test("dlq list, groups and export name the nearest subscription when there is none of that name", async () => {
  await using at = await startDaemon();
  await at.http("PUT", "/v1/subscriptions/billing", { topic: "t" });
  for (const verb of ["list", "groups", "export"]) {
    const mistyped = await evs(["dlq", verb, "--subscription", "biling"], { at });
    assert.deepEqual([mistyped.code, mistyped.stdout], [0, ""], verb);
    assert.match(mistyped.stderr, /there is no subscription biling\n.*billing/, verb);
    const empty = await evs(["dlq", verb, "--subscription", "billing"], { at });
    assert.deepEqual([empty.code, empty.stdout, empty.stderr], [0, "", ""], verb);
  }
});
