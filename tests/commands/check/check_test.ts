/** The output for a monitoring system: the line and the exit code, and never anything else. */
import assert from "node:assert/strict";
import { formatFinding, levelOf } from "../../../commands/check/report.ts";
import { ageFinding, OLDEST } from "../../../commands/check/age.ts";
import { lagFinding } from "../../../commands/check/lag.ts";
import { startDaemon } from "../../helpers/daemon.ts";
import { evs } from "../../helpers/evs.ts";

Deno.test("levelOf is at its limit already", () => {
  const limits = { warn: 5, crit: 10 };
  assert.deepEqual([4, 5, 9, 10].map((n) => levelOf(n, limits, "high")), [
    "OK",
    "WARNING",
    "WARNING",
    "CRITICAL",
  ]);
  const low = { warn: 20, crit: 10 };
  assert.deepEqual([21, 20, 10, 0].map((n) => levelOf(n, low, "low")), [
    "OK",
    "WARNING",
    "CRITICAL",
    "CRITICAL",
  ]);
});

Deno.test("formatFinding prints what a plug-in prints", () => {
  const line = formatFinding({
    level: "WARNING",
    words: "7 dead letters",
    measures: {
      dead_letters: { value: 7, limits: { warn: 5, crit: 10 } },
      free: { value: 1.5, unit: "%" },
    },
  });
  assert.equal(line, "WARNING - 7 dead letters | 'dead_letters'=7;5;10 'free'=1.5%");
});

Deno.test("judgeLag lets the worst subscription speak and warns of a pause", () => {
  const one = { name: "a", pending: 1, leased: 1, scheduled: 1, paused: false };
  const limits = { warn: 5, crit: 10 };
  assert.equal(lagFinding([], limits).words, "no subscriptions");
  assert.equal(lagFinding([one], limits).level, "OK");
  assert.equal(lagFinding([one, { ...one, name: "b", pending: 9 }], limits).level, "CRITICAL");
  const paused = lagFinding([{ ...one, paused: true }], limits);
  assert.deepEqual([paused.level, paused.words], ["WARNING", "a is 3 events behind; paused: a"]);
});

Deno.test("ageFinding is UNKNOWN when an event waits whose age is not known, unless another is old", () => {
  const of = (name: string, lag: number, oldestPendingAt?: number) => ({
    name,
    cursors: [{ topic: "t", next: 1, lastSeq: lag, lag }],
    ...(oldestPendingAt === undefined ? {} : { oldestPendingAt }),
  });
  const find = (...infos: ReturnType<typeof of>[]) => {
    const limits = { warn: 5000, crit: 10_000 };
    const { level, words, measures } = ageFinding(infos, { limits, age: OLDEST, now: 100_000 });
    return [level, words, Object.keys(measures).join()];
  };
  const unknown = "the daemon does not know yet how old the oldest event is of";
  assert.deepEqual(find(of("a", 0)), ["OK", "no events wait", "a"]);
  assert.deepEqual(find(of("a", 1)), ["UNKNOWN", `${unknown} a`, ""]);
  assert.deepEqual(find(of("a", 1), of("b", 0)), ["UNKNOWN", `${unknown} a`, "b"]);
  assert.deepEqual(find(of("a", 1), of("b", 1, 94_000)), [
    "WARNING",
    `the oldest event of b is 6s old; ${unknown} a`,
    "b",
  ]);
  const many = Array.from({ length: 7 }, (_, n) => of(`s${n}`, 1));
  assert.equal(find(...many)[1], `${unknown} s0, s1, s2, s3, s4 and 2 more`);
});

Deno.test("evs check ends like a plug-in, and [alert] marks the status and the metrics", async () => {
  await using at = await startDaemon({ config: "[alert]\ndead_letters = 2\nlag = 3\ndisk = 0\n" });
  const check = (...args: string[]) => evs(["check", ...args], { at });
  const fine = await check("dlq", "--warn", "1", "--crit", "3");
  assert.deepEqual([fine.code, fine.stdout], [
    0,
    "OK - 0 dead letters | 'dead_letters'=0;1;3\n",
  ]);
  assert.deepEqual((await at.http("GET", "/v1/status")).json.alerts, []);
  await at.publish("t", "x", 1, 2, 3);
  await evs(["consume", "t", "--name", "s", "--until-empty", "--", "sh", "-c", "exit 65"], { at });
  await evs(["consume", "t", "--name", "slow", "--max", "1", "--", "sh", "-c", "exit 127"], { at });

  const dead = await check("dlq", "--warn", "1", "--crit", "3", "--subscription", "s");
  assert.deepEqual([dead.code, dead.stdout], [
    2,
    "CRITICAL - 3 dead letters of s | 'dead_letters'=3;1;3\n",
  ]);
  const behind = await check("lag", "--warn", "10", "--crit", "20");
  assert.equal(behind.code, 1);
  assert.match(behind.stdout, /^WARNING - slow is 3 events behind; paused: slow \| /);
  const room = await check("disk", "--warn", "0%", "--crit", "0%");
  assert.equal(room.code, 0, room.stdout);
  assert.match(room.stdout, /^OK - .* free at /);
  assert.equal((await check("disk", "--warn", "100%", "--crit", "100%")).code, 2);
  const mixed = await check("disk", "--warn", "5%", "--crit", "1GiB");
  assert.equal(mixed.code, 3, "a wrong command line is UNKNOWN");
  assert.match(
    mixed.stderr,
    /are both shares \(10%\) or both sizes \(5GiB\)\n {2}try: evs check --help\n/,
  );
  const turned = await check("disk", "--warn", "5%", "--crit", "20%");
  assert.equal(turned.code, 3);
  assert.match(
    turned.stderr,
    /--warn \(5\) comes before --crit \(20\) as what is left falls: it is the higher of the two\n {2}try: evs check --help\n/,
  );
  const high = await check("dlq", "--warn", "9", "--crit", "3");
  assert.equal(high.code, 3);
  assert.match(high.stderr, /--warn \(9\) comes before --crit \(3\): it is the lower of the two\n/);
  const unknown = await check("dlq", "--warn", "1", "--crit", "3", "--subscription", "nobody");
  assert.deepEqual([unknown.code, unknown.stdout.split(" ")[0]], [3, "UNKNOWN"]);

  const { alerts } = (await at.http("GET", "/v1/status")).json;
  assert.deepEqual(
    alerts.map((alert: { name: string; value: number }) => [alert.name, alert.value]),
    [
      ["dead_letters", 3],
      ["lag", 3],
    ],
  );
  const metrics = (await at.http("GET", "/metrics")).text;
  assert.match(metrics, /^evs_alerts 2$/m);

  await at.stop();
  const gone = await check("lag", "--warn", "1", "--crit", "2");
  assert.equal(gone.code, 2);
  assert.match(gone.stdout, /^CRITICAL - /);
});
