/**
 * `evs alert` as processes: what its command is told, once for each begin and end, also through
 * kills of `evs alert`, restarts of the daemon, and commands that fail or hang.
 */
import assert from "node:assert/strict";
import { ifThere } from "../../core/base/if_there.ts";
import { startDaemon, type TestDaemon } from "../helpers/daemon.ts";
import { dose } from "../helpers/dose.ts";
import { metricsOf } from "../helpers/metrics.ts";
import { processesNaming } from "../helpers/shell.ts";
import { evs, isAlive, RunningEvs, until } from "../helpers/evs.ts";

/** What the command of a test has been told. */
interface Told {
  alert: string;
  state: "begin" | "end";
  id: string;
  subscription?: string;
  value?: number;
  ended?: string;
  attempt: number;
  message: string;
}

/** A daemon, and an `evs alert` whose command writes down what it is told. */
class Watched implements AsyncDisposable {
  readonly at: TestDaemon;
  readonly #running: RunningEvs[] = [];

  private constructor(at: TestDaemon) {
    this.at = at;
  }

  static async make(): Promise<Watched> {
    const watched = new Watched(await startDaemon());
    // `begun` has the pid of each run, `told` what those that succeeded were told.
    await Deno.writeTextFile(
      watched.path("tell"),
      `#!/bin/sh
cd '${watched.at.folder}'
echo "$$" >>begun
while test -e hold; do sleep 0.05; done
if test -e fail; then echo "no route to the pager" >&2; exit 1; fi
{ cat; } >>told
printf '%s|' "$EVS_ALERT" "$EVS_ALERT_STATE" "\${EVS_ALERT_SUBSCRIPTION-}" "\${EVS_ALERT_VALUE-}" \\
  "$EVS_ALERT_LIMIT" "$EVS_ALERT_ATTEMPT" >>variables
echo >>variables
`,
      { mode: 0o755 },
    );
    return watched;
  }

  path(name: string): string {
    return `${this.at.folder}/${name}`;
  }

  /** `evs alert` with these flags. */
  args(flags: string): string[] {
    return ["alert", ...flags.split(" "), "--", this.path("tell")];
  }

  get options() {
    return { at: this.at, env: { XDG_STATE_HOME: this.path("state"), EVS_ALERT_VALUE: "old" } };
  }

  start(flags: string): RunningEvs {
    const running = new RunningEvs(this.args(`--every 100ms ${flags}`), this.options);
    this.#running.push(running);
    return running;
  }

  once(flags: string) {
    return evs(this.args(`--once ${flags}`), this.options);
  }

  async lines(name: string): Promise<string[]> {
    try {
      return (await Deno.readTextFile(this.path(name))).split("\n").filter(Boolean);
    } catch (error) {
      if (error instanceof Deno.errors.NotFound) return [];
      throw error;
    }
  }

  async told(): Promise<Told[]> {
    return (await this.lines("told")).map((line) => JSON.parse(line));
  }

  /** The same, in short. */
  async short(): Promise<string[]> {
    return (await this.told()).map(({ alert, state, subscription }) =>
      [state, alert, subscription].filter(Boolean).join(" ")
    );
  }

  /** Waits until it has been told this, all in all. */
  async untilTold(...expected: string[]): Promise<void> {
    await until(async () => (await this.short()).length >= expected.length);
    assert.deepEqual(await this.short(), expected);
  }

  /** Waits until it has looked some times more: whatever it had begun to do is done. */
  async looks(): Promise<void> {
    const requests = async () => (await metricsOf(this.at)).get("evs_requests_total")!;
    const before = await requests();
    let own = 1;
    await until(async () => await requests() - before - own++ >= 6);
  }

  /** Waits until so many begins and ends are remembered as not told. */
  async untilUntold(count: number): Promise<void> {
    const folder = this.path("state/evs/alert");
    const [file] = [...Deno.readDirSync(folder)].filter(({ name }) => name.endsWith(".json"));
    await until(async () => {
      const { untold } = JSON.parse(await Deno.readTextFile(`${folder}/${file!.name}`));
      return untold.length === count;
    });
  }

  /** Waits until no command runs that a killed `evs alert` had started. */
  async commandsEnded(): Promise<void> {
    await until(() => processesNaming(this.path("tell")).length === 0);
  }

  /** Makes a file that the command looks for. */
  async set(name: "hold" | "fail"): Promise<void> {
    await Deno.writeTextFile(this.path(name), "");
  }

  async unset(name: "hold" | "fail"): Promise<void> {
    await Deno.remove(this.path(name));
  }

  /** A dead letter of a subscription, which has a topic of its name; `revive` removes all. */
  async fail(subscription: string): Promise<void> {
    const path = `/v1/subscriptions/${subscription}`;
    await this.at.http("PUT", path, { topic: subscription });
    await this.at.publish(subscription, "n", 1);
    const { json } = await this.at.http("POST", `${path}/lease`, { max: 1, waitMs: 60_000 });
    const [{ lease }] = json.deliveries;
    const nack = { deliveries: [{ lease, error: "no", dead: true }] };
    assert.equal((await this.at.http("POST", `${path}/nack`, nack)).status, 200);
  }

  async revive(): Promise<void> {
    const removed = await this.at.http("POST", "/v1/dead-letters/remove", { all: true });
    assert.equal(removed.status, 200, removed.text);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const { child } of this.#running) {
      if (await isAlive(child.pid)) child.kill("SIGKILL");
      await child.status;
    }
    await this.at[Symbol.asyncDispose]();
  }
}

/** Ends it as a service manager does. */
async function stop(running: RunningEvs): Promise<void> {
  running.child.kill("SIGTERM");
  assert.equal((await running.end()).code, 0, running.stderr);
}

Deno.test("evs alert runs its command once when a condition begins and once when it ends", async () => {
  await using watched = await Watched.make();
  const { at } = watched;
  await at.http("PUT", "/v1/subscriptions/s", { topic: "s" });
  const alert = watched.start("--dlq >0 --lag >=2 --subscription s --json");
  await watched.fail("s");
  await watched.fail("other");
  await watched.untilTold("begin dlq s");
  await at.publish("s", "n", 2, 3);
  await watched.untilTold("begin dlq s", "begin lag s");
  await watched.revive();
  await watched.untilTold("begin dlq s", "begin lag s", "end dlq s");
  assert.equal((await at.http("DELETE", "/v1/subscriptions/s")).status, 200);
  await watched.untilTold("begin dlq s", "begin lag s", "end dlq s", "end lag s");
  await stop(alert);

  const told = await watched.told();
  assert.deepEqual(told.map(({ value, ended }) => [value, ended]), [
    [1, undefined],
    [2, undefined],
    [0, "over"],
    [undefined, "removed"],
  ]);
  assert.equal(told[2]!.id, told[0]!.id);
  assert.equal(told[3]!.id, told[1]!.id);
  assert.notEqual(told[1]!.id, told[0]!.id);
  assert.match(told[0]!.message, /^1 dead letter of s \(limit >0\)$/);
  assert.match(told[3]!.message, /^over after \S+: the subscription s was removed$/);
  assert.deepEqual(await watched.lines("variables"), [
    "dlq|begin|s|1|>0|1|",
    "lag|begin|s|2|>=2|1|",
    "dlq|end|s|0|>0|1|",
    "lag|end|s||>=2|1|",
  ]);
  const printed = alert.stdout.split("\n").filter(Boolean).map((line) => JSON.parse(line));
  assert.deepEqual(printed, told.map(({ attempt: _attempt, ...facts }) => facts));
  assert.equal(alert.stderr, "");
});

Deno.test("evs alert says once that the subscription it watches is not there, and watches it when it comes", async () => {
  await using watched = await Watched.make();
  const { at } = watched;
  await at.http("PUT", "/v1/subscriptions/mailer", { topic: "mailer" });
  const alert = watched.start("--dlq >0 --subscription maler");
  await alert.said(/\n/);
  await watched.looks();
  assert.equal(
    alert.stderr,
    "evs: there is no subscription maler: it is watched as soon as there is one; did you mean mailer?\n",
  );
  await watched.fail("maler");
  await watched.untilTold("begin dlq maler");
  assert.equal((await at.http("DELETE", "/v1/subscriptions/maler")).status, 200);
  await watched.untilTold("begin dlq maler", "end dlq maler");
  await watched.looks();
  await stop(alert);
  assert.equal(alert.stderr.split("\n").length, 2, "its end tells that it was removed");
  const pattern = await watched.once("--dlq >0 --subscription other.* --name other");
  assert.deepEqual([pattern.code, pattern.stderr], [0, ""]);
});

Deno.test("evs alert tells an end when dead letters are dismissed, and begins again when they count", async () => {
  await using watched = await Watched.make();
  const { at } = watched;
  const alert = watched.start("--dlq >0 --down off");
  await watched.fail("s");
  await watched.untilTold("begin dlq s");
  const [{ id }] = (await at.http("GET", "/v1/dead-letter-groups")).json.groups;
  const act = async (path: string) => {
    const { status, text } = await at.http("POST", `/v1/dead-letter-groups/${id}/${path}`, {});
    assert.equal(status, 200, text);
  };
  await act("dismiss");
  await watched.untilTold("begin dlq s", "end dlq s");
  await act("reopen");
  await watched.untilTold("begin dlq s", "end dlq s", "begin dlq s");
  await stop(alert);
  const values = (await watched.told()).map(({ value }) => value);
  assert.deepEqual(values, [1, 0, 1]);
});

Deno.test("evs alert takes a stopped daemon for no end, tells that it is down, and what held goes on", async () => {
  await using watched = await Watched.make();
  const { at } = watched;
  await watched.fail("s");
  const alert = watched.start("--dlq >0 --down >300ms");
  await watched.untilTold("begin dlq s");
  await at.kill();
  await watched.untilTold("begin dlq s", "begin down");
  await at.start();
  await watched.untilTold("begin dlq s", "begin down", "end down");
  await watched.revive();
  await watched.untilTold("begin dlq s", "begin down", "end down", "end dlq s");
  await stop(alert);
  assert.match((await watched.told())[1]!.message, /^the daemon has not answered for \S+: /);
  assert.match((await watched.told())[2]!.message, /^over after \S+: the daemon answers$/);
});

Deno.test("evs alert tells on what it was killed in the middle of, and the end once, over a restart of the daemon", async () => {
  await using watched = await Watched.make();
  const { at } = watched;
  await watched.set("hold");
  await watched.fail("s");
  const flags = "--dlq >0 --down off";
  const first = watched.start(flags);
  await until(async () => (await watched.lines("begun")).length === 1);
  await watched.looks();
  first.child.kill("SIGKILL");
  await first.end();
  await watched.commandsEnded();
  assert.deepEqual(await watched.short(), []);
  await at.stop();
  const second = watched.start(flags);
  await second.said(/nothing is judged until the daemon answers/);
  await at.start();
  await watched.unset("hold");
  await watched.untilTold("begin dlq s");
  await watched.untilUntold(0);
  second.child.kill("SIGKILL");
  await second.end();
  await watched.revive();
  const third = watched.start(flags);
  await watched.untilTold("begin dlq s", "end dlq s");
  await stop(third);
  await watched.untilTold("begin dlq s", "end dlq s");
  assert.equal((await watched.told())[0]!.id, (await watched.told())[1]!.id);
});

Deno.test("evs alert loses no begin and no end when it is killed at any moment", async () => {
  await using watched = await Watched.make();
  const flags = "--dlq >0 --down off";
  const rounds = dose(2, 30);
  for (let round = 0; round < rounds; round++) {
    for (const state of ["begin", "end"]) {
      const alert = watched.start(flags);
      if (state === "begin") await watched.fail("s");
      else await watched.revive();
      // Somewhere between its start and what follows the command.
      await new Promise((resolve) => setTimeout(resolve, Math.random() * 1500)); // the moment is drawn
      alert.child.kill("SIGKILL");
      await alert.end();
      await watched.commandsEnded();
      const run = await watched.once(flags);
      assert.equal(run.code, 0, run.stderr);
    }
  }
  const told = await watched.told();
  const once = told.filter(({ id, state }, i) =>
    i === 0 || id !== told[i - 1]!.id || state !== told[i - 1]!.state
  );
  const expected = Array.from({ length: rounds }, () => ["begin", "end"]).flat();
  assert.deepEqual(once.map(({ state }) => state), expected);
  for (let i = 1; i < once.length; i += 2) assert.equal(once[i]!.id, once[i - 1]!.id);
});

Deno.test("evs alert runs a command that fails again until it succeeds, in order", async () => {
  await using watched = await Watched.make();
  await watched.set("fail");
  await watched.fail("s");
  const alert = watched.start("--dlq >0");
  await alert.said(
    /^evs: the command failed to tell that dlq s began \(attempt 2\): exit code 1: no route to the pager; again in /m,
  );
  await watched.revive();
  await watched.untilUntold(2);
  assert.deepEqual(await watched.short(), []);
  await watched.unset("fail");
  await watched.untilTold("begin dlq s", "end dlq s");
  await stop(alert);
  const told = await watched.told();
  assert.ok(told[0]!.attempt > 2);
  assert.equal(told[1]!.attempt, 1);
});

Deno.test("evs alert goes on when its file cannot be written, says so, and writes it once it can", async () => {
  await using watched = await Watched.make();
  const alert = watched.start("--dlq >0");
  const folder = watched.path("state/evs/alert");
  let file = "";
  await until(() => {
    const there = ifThere(() => [...Deno.readDirSync(folder)]) ?? [];
    file = there.find(({ name }) => name.endsWith(".json"))?.name ?? "";
    return file !== "";
  });
  await Deno.mkdir(`${folder}/${file}.new`);
  await watched.fail("s");
  await watched.untilTold("begin dlq s");
  await alert.said(
    /^evs: what was told cannot be remembered in .*: .* a restart before that works/m,
  );
  await Deno.remove(`${folder}/${file}.new`);
  await until(async () =>
    JSON.parse(await Deno.readTextFile(`${folder}/${file}`)).conditions.length === 1
  );
  await stop(alert);
  assert.equal((await watched.once("--dlq >0")).code, 0);
  await watched.untilTold("begin dlq s");
  assert.equal(alert.stderr.match(/cannot be remembered/g)?.length, 1, "it is said once");
});

Deno.test("evs alert stops a command that hangs, and runs it again", async () => {
  await using watched = await Watched.make();
  await watched.set("hold");
  await watched.fail("s");
  const alert = watched.start("--dlq >0 --timeout 100ms");
  await alert.said(/attempt 1\): timed out after 100 ms; again in /);
  await stop(alert);
  await watched.unset("hold");
  assert.equal((await watched.once("--dlq >0")).code, 0);
  await watched.untilTold("begin dlq s");
});

Deno.test("evs alert lets its command end when it is stopped, and ends as signals want it", async () => {
  await using watched = await Watched.make();
  for (const [signal, code] of [["SIGTERM", 0], ["SIGINT", 130]] as const) {
    await watched.set("hold");
    await watched.fail("s");
    const before = (await watched.lines("begun")).length;
    const alert = watched.start("--dlq >0");
    await until(async () => (await watched.lines("begun")).length > before);
    alert.child.kill(signal);
    await watched.unset("hold");
    assert.equal((await alert.end()).code, code, alert.stderr);
    await watched.revive();
    assert.equal((await watched.once("--dlq >0")).code, 0);
  }
  const pair = ["begin dlq s", "end dlq s"];
  assert.deepEqual(await watched.short(), [...pair, ...pair]);
});

Deno.test("evs alert --once tells what began or ended since the last run, and says by its code whether the command took it", async () => {
  await using watched = await Watched.make();
  const flags = "--dlq >0 --name cron";
  assert.equal((await watched.once(flags)).code, 0);
  await watched.fail("s");
  await watched.set("fail");
  const refused = await watched.once(flags);
  assert.equal(refused.code, 6);
  assert.match(
    refused.stderr,
    /to tell that dlq s began: exit code 1: .*; the next evs alert tells/,
  );
  await watched.unset("fail");
  assert.equal((await watched.once(flags)).code, 0);
  assert.equal((await watched.once(flags)).code, 0);
  // Another line of the same crontab.
  assert.equal((await watched.once("--lag >1000 --name cron")).code, 0);
  await watched.untilTold("begin dlq s");
  await watched.at.stop();
  const blind = await watched.once(`${flags} --down off`);
  assert.equal(blind.code, 5, blind.stderr);
  assert.equal((await watched.once(`${flags} --down >100ms`)).code, 0);
  await watched.untilTold("begin dlq s", "begin down");
  await watched.at.start();
  await watched.revive();
  assert.equal((await watched.once(flags)).code, 0);
  const told = await watched.short();
  assert.deepEqual(told.slice(0, 2), ["begin dlq s", "begin down"]);
  assert.deepEqual(told.slice(2).sort(), ["end dlq s", "end down"]);
});

Deno.test("evs alert refuses in words to watch what another one of its name watches", async () => {
  await using watched = await Watched.make();
  const alert = watched.start("--dlq >0");
  const state = watched.path("state/evs/alert");
  await until(async () => {
    try {
      const [lock] = [...Deno.readDirSync(state)].filter(({ name }) => name.endsWith(".lock"));
      return await Deno.readTextFile(`${state}/${lock!.name}`) === `${alert.child.pid}\n`;
    } catch (error) {
      if (error instanceof Deno.errors.NotFound || error instanceof TypeError) return false;
      throw error;
    }
  });
  const second = await watched.once("--dlq >0");
  assert.equal(second.code, 3);
  assert.equal(
    second.stderr,
    `evs: an evs alert named main watches this daemon already, pid ${alert.child.pid}\n` +
      `  try: give this one a name of its own: evs alert --name NAME …\n`,
  );
  assert.equal((await watched.once("--dlq >0 --name another")).code, 0);
  await stop(alert);
  assert.equal((await watched.once("--dlq >0")).code, 0);
  // What others wrote is not guessed at.
  const [file] = [...Deno.readDirSync(state)]
    .filter(({ name }) => /^main-.*\.json$/.test(name));
  await Deno.writeTextFile(`${state}/${file!.name}`, '{"version":9}');
  const newer = await watched.once("--dlq >0");
  assert.equal(newer.code, 7);
  assert.match(newer.stderr, /a newer evs wrote it \(version 9\)\n {2}try: mv /);
});
