/**
 * Four troubles of an operator's night: a handler that sleeps, one that fails in three ways, a
 * consumer that was stopped, and a full disk. Each is seen within five seconds by everything that
 * looks, and `evs alert` calls once for each and once for its end.
 */
import assert from "node:assert/strict";
import { newDaemon, type TestDaemon } from "../helpers/daemon.ts";
import { TestDashboard } from "../helpers/dashboard.ts";
import { Disk } from "../helpers/disk.ts";
import { evs, isAlive, RunningEvs, until } from "../helpers/evs.ts";
import { metricsOf } from "../helpers/metrics.ts";
import { needTools } from "../helpers/shell.ts";
import { timeOf } from "../helpers/time_of.ts";

/** The limits, also those of `evs alert` and `evs check`. */
const CONFIG = '[alert]\ndead_letters = 3\nlag = 5\nage = "1s"\nleased = "1s"\ndisk = 20\n';
const ALERT = [
  "--dlq",
  ">=3",
  "--lag",
  ">=5",
  "--leased",
  ">2s",
  "--refused",
  ">0",
  "--disk",
  "<20%",
];
/** By when everything has to see it, once it is past all limits, ms. */
const SEEN_WITHIN = 5000;
const LONGEST_LIMIT = 2000;

/** The ways to look; each says whether it sees the trouble. */
interface Views {
  metrics: (values: Map<string, number>) => boolean;
  /** What `evs top` and the dashboard show. */
  // deno-lint-ignore no-explicit-any -- tests look into replies freely
  overview: (overview: any) => boolean;
  check: { args: string[]; line: RegExp };
  // deno-lint-ignore no-explicit-any -- as above
  doctor: (finding: any) => boolean;
  alert: string[];
}

/** A daemon, an `evs alert` that watches it, and a dashboard. */
class Night implements AsyncDisposable {
  private constructor(
    readonly at: TestDaemon,
    readonly alert: RunningEvs,
    readonly dashboard: TestDashboard,
  ) {}

  static async begin(at: TestDaemon): Promise<Night> {
    await Deno.writeTextFile(`${at.folder}/tell`, `#!/bin/sh\ncat >>'${at.folder}/told'\n`, {
      mode: 0o755,
    });
    // A restart of the daemon belongs to this test, however long it takes here.
    const args = [
      "alert",
      "--every",
      "250ms",
      "--down",
      "off",
      ...ALERT,
      "--",
      `${at.folder}/tell`,
    ];
    const env = { XDG_STATE_HOME: `${at.folder}/state` };
    const dashboard = await TestDashboard.start({ at, args: ["--read-only"] });
    return new Night(at, new RunningEvs(args, { at, env }), dashboard);
  }

  /** What the command has been told, without what a slow machine may add. */
  async told(): Promise<string[]> {
    let text = "";
    try {
      text = await Deno.readTextFile(`${this.at.folder}/told`);
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    }
    return text.split("\n").filter(Boolean).map((line) => JSON.parse(line))
      .filter(({ alert, subscription }) => alert !== "leased" || subscription === "sleeper")
      .map(({ state, alert, subscription }) =>
        [state, alert, subscription].filter(Boolean).join(" ")
      );
  }

  async isTold(...expected: string[]): Promise<boolean> {
    const told = await this.told();
    return expected.every((one) => told.includes(one));
  }

  /** Everything sees it in time; the control is how long one look of each takes here and now. */
  async seen(views: Views): Promise<void> {
    const { at } = this;
    const { args, line } = views.check;
    const looks: Record<string, () => Promise<boolean>> = {
      metrics: async () => views.metrics(await metricsOf(at)),
      dashboard: async () => views.overview((await this.dashboard.ask("GET", "/v1/overview")).json),
      top: async () =>
        views.overview(JSON.parse((await evs(["top", "--once", "--json"], { at })).stdout)),
      check: async () => line.test((await evs(["check", ...args], { at })).stdout),
      doctor: async () =>
        (await evs(["doctor", "--quick"], { at })).stdout.split("\n").filter(Boolean)
          .some((found) => views.doctor(JSON.parse(found))),
      alert: () => this.isTold(...views.alert),
    };
    const began = performance.now();
    const took = await Promise.all(
      Object.entries(looks).map(async ([name, look]) => {
        await until(look);
        return [name, performance.now() - began] as const;
      }),
    );
    const control = await timeOf(() => Promise.all(Object.values(looks).map((look) => look())));
    for (const [name, ms] of took) {
      assert.ok(
        ms < LONGEST_LIMIT + SEEN_WITHIN + 20 * control,
        `${name} took ${Math.round(ms)} ms, a look at all of them ${Math.round(control)} ms`,
      );
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (await isAlive(this.alert.child.pid)) this.alert.child.kill("SIGKILL");
    await this.alert.end();
    await this.dashboard[Symbol.asyncDispose]();
  }
}

/** Ends it as a service manager does. */
async function stop(running: RunningEvs): Promise<void> {
  running.child.kill("SIGTERM");
  assert.equal((await running.end()).code, 0, running.stderr);
}

/** The sample of a subscription. */
function ofSubscription(values: Map<string, number>, series: string, name: string): number {
  return values.get(`evs_subscription_${series}{subscription="${name}"}`) ?? NaN;
}

// deno-lint-ignore no-explicit-any -- as above
function overviewOf(overview: any, name: string): any {
  return overview.subscriptions.find((one: { name: string }) => one.name === name);
}

/** After a refusal the daemon may find some room again: what is left tells. */
function isFull(free: number, used: number): boolean {
  return free / (free + used) < 0.2;
}

const FAILING = 'read n; case $n in 1) echo "CardError: no card" >&2; exit 1;; ' +
  "2) kill -9 $$;; *) sleep 600;; esac";

/** A handler that sleeps; returns its consumer. */
async function sleeps(night: Night): Promise<RunningEvs> {
  const { at } = night;
  await at.publish("slow", "n", 1);
  const sleeper = new RunningEvs(["consume", "slow", "--name", "sleeper", "--", "sleep", "600"], {
    at,
  });
  await night.seen({
    metrics: (values) => ofSubscription(values, "in_flight", "sleeper") === 1,
    overview: (all) => overviewOf(all, "sleeper")?.oldestLease?.type === "n",
    check: {
      args: ["leased", "--warn", "1s", "--crit", "1h"],
      line: /^WARNING - a consumer of sleeper has held an event for /,
    },
    doctor: ({ where, level }) => where === "sleeper" && level === "warning",
    alert: ["begin leased sleeper"],
  });
  return sleeper;
}

/** A handler that fails in three ways: two of them at once, if the machine does not stand still. */
async function fails(night: Night): Promise<void> {
  const { at } = night;
  await at.publish("orders", "n", 1, 2, 3);
  const consumed = await evs(
    "consume orders --name failing --max-retries 0 --timeout 4s --until-empty -- sh -c"
      .split(" ").concat(FAILING),
    { at },
  );
  assert.equal(consumed.code, 6, consumed.stderr);
  await night.seen({
    metrics: (values) => ofSubscription(values, "dead_letters", "failing") === 3,
    overview: (all) => overviewOf(all, "failing").dead === 3,
    check: { args: ["dlq", "--warn", "3", "--crit", "9"], line: /^WARNING - 3 dead letters/ },
    doctor: ({ what, level }) => /^3 dead letters/.test(what) && level === "warning",
    alert: ["begin dlq failing"],
  });
  const groups = await evs(["dlq", "groups", "--subscription", "failing"], { at });
  assert.equal(groups.stdout.trim().split("\n").length, 3, groups.stdout);
}

/** A consumer that was stopped. */
async function isStopped(night: Night): Promise<void> {
  const { at } = night;
  await at.publish("mails", "n", 0);
  const first = "consume mails --name mailer --until-empty -- true";
  assert.equal((await evs(first.split(" "), { at })).code, 0);
  await at.publish("mails", "n", 1, 2, 3, 4, 5);
  await night.seen({
    metrics: (values) => ofSubscription(values, "pending", "mailer") === 5,
    overview: (all) => overviewOf(all, "mailer").pending === 5,
    check: { args: ["lag", "--warn", "5", "--crit", "99"], line: /^WARNING - mailer is 5 events/ },
    doctor: ({ where, level }) => where === "mailer" && level === "warning",
    alert: ["begin lag mailer"],
  });
}

/** A full disk. */
async function fills(night: Night, disk: Disk): Promise<void> {
  const { at } = night;
  await disk.fill(1024 * 1024);
  const large = JSON.stringify("x".repeat(100_000));
  await until(async () => {
    const path = "/v1/topics/large/events?type=n";
    return (await at.http("POST", path, large)).status === 507;
  });
  await night.seen({
    metrics: (values) =>
      isFull(values.get("evs_disk_free_bytes")!, values.get("evs_disk_used_bytes")!) &&
      (values.get('evs_publish_refusals_total{code="store/disk-full"}') ?? 0) > 0,
    overview: ({ status, disk }) =>
      isFull(disk.free, disk.used) && status.refused[0].code === "store/disk-full",
    check: { args: ["refused", "--warn", "1", "--crit", "99999"], line: /^WARNING - .*disk-full/ },
    doctor: ({ where, level }) => where === "store/disk-full" && level === "warning",
    alert: ["begin disk", "begin refused"],
  });
  const room = await evs(["check", "disk", "--warn", "20%", "--crit", "0%"], { at });
  assert.match(room.stdout, /^(WARNING|CRITICAL) - /);
}

Deno.test("what sleeps, fails, is stopped or full is seen by all that looks, and evs alert calls once for each and its end", async () => {
  needTools("mkfs.ext4", "mount", "fallocate");
  await using disk = await Disk.make(96);
  await using at = await newDaemon({ dataDir: `${disk.path}/data`, config: CONFIG });
  await at.start();
  await using night = await Night.begin(at);
  const sleeper = await sleeps(night);
  await fails(night);
  await isStopped(night);
  await fills(night, disk);

  // And over again.
  await disk.makeRoom();
  await until(() => night.isTold("end disk"));
  await stop(sleeper);
  await until(() => night.isTold("end leased sleeper"));
  assert.equal((await evs(["dlq", "remove", "--all", "--yes"], { at })).code, 0);
  await until(() => night.isTold("end dlq failing"));
  assert.equal((await evs(["subscription", "seek", "mailer", "end", "--yes"], { at })).code, 0);
  await until(() => night.isTold("end lag mailer"));
  // What was refused counts for five minutes, or until a restart.
  await at.stop();
  await at.start();
  await until(() => night.isTold("end refused"));
  await stop(night.alert);
  const subjects = ["dlq failing", "disk", "lag mailer", "leased sleeper", "refused"];
  assert.deepEqual(
    (await night.told()).sort(),
    ["begin", "end"].flatMap((state) => subjects.map((subject) => `${state} ${subject}`)).sort(),
  );
});
