/**
 * The warnings of `evs doctor`, with running and stopped daemons and both stores: they are not
 * damage, so it exits with 0.
 */
import assert from "node:assert/strict";
import type { CheckContext } from "../../core/doctor/checks/check.ts";
import type { Diagnosis } from "../../core/doctor/checks/diagnosis.ts";
import { checks, examine } from "../../core/doctor/doctor.ts";
import { startDaemon, type TestDaemon } from "../helpers/daemon.ts";
import { evs } from "../helpers/evs.ts";
import { STORES } from "../helpers/stores.ts";

/** What it warns of. It must end with 0, and say of each what to type. */
async function warnings(daemon: TestDaemon, ...args: string[]): Promise<Diagnosis[]> {
  const { code, stdout, stderr } = await evs(["doctor", ...args], { at: daemon });
  assert.equal(code, 0, `${stdout}${stderr}`);
  const found: Diagnosis[] = stdout.split("\n").filter(Boolean).map((line) => JSON.parse(line));
  const warned = found.filter(({ level }) => level === "warning");
  for (const { hint, what } of warned) assert.ok(hint, `${what}: what to type`);
  return warned;
}

/** Each as `check where`. */
function named(found: Diagnosis[]): string[] {
  return found.map(({ check, where }) => `${check} ${where}`);
}

/** Calls `look` with the daemon running, stopped in order, and killed. */
async function inEachState(
  daemon: TestDaemon,
  look: (state: "running" | "stopped" | "killed") => Promise<void>,
): Promise<void> {
  await look("running");
  await daemon.stop();
  await look("stopped");
  await daemon.start();
  await daemon.kill("SIGKILL");
  await look("killed");
  await daemon.start();
}

for (const store of STORES) {
  Deno.test(`evs doctor warns of nothing when all is well with the ${store} store, and of a killed daemon's socket`, async () => {
    await using daemon = await startDaemon({ store });
    await daemon.publish("orders", "placed", 1, 2);
    await inEachState(daemon, async (state) => {
      const found = named(await warnings(daemon));
      assert.deepEqual(found, state === "killed" ? [`socket ${daemon.socket}`] : [], state);
    });
  });

  Deno.test(`evs doctor names wrong modes and foreign files with the ${store} store`, async () => {
    await using daemon = await startDaemon({ store });
    await daemon.publish("orders", "placed", 1);
    const events = store === "sqlite" ? "events.db" : "events/orders";
    await inEachState(daemon, async (state) => {
      await Deno.chmod(`${daemon.dataDir}/${events}`, store === "sqlite" ? 0o640 : 0o750);
      await Deno.chmod(`${daemon.dataDir}/log`, 0o770);
      await Deno.writeTextFile(`${daemon.dataDir}/notes.txt`, "mine");
      await Deno.writeTextFile(`${daemon.dataDir}/log/old.gz`, "mine");
      await Deno.link(`${daemon.dataDir}/state.db`, `${daemon.folder}/second`);
      // SQLite gives its side files the mode of the database.
      const found = (await warnings(daemon)).filter(({ check, where }) =>
        check !== "socket" && !/-(?:wal|shm)$/.test(where)
      );
      assert.deepEqual(named(found).sort(), [
        "foreign-files log/old.gz",
        "foreign-files notes.txt",
        `modes ${events}`,
        "modes log",
        "modes state.db",
      ], state);
      const what = Object.fromEntries(found.map((one) => [one.where, one]));
      assert.match(what[events]!.what, /others can read it \(mode 6?7?[45]0\)/);
      assert.match(what["log"]!.what, /others can write to it \(mode 770\): a daemon refuses/);
      assert.match(what["log"]!.hint!, /chmod go-rwx/);
      assert.match(what["state.db"]!.what, /a second name \(a hard link\)/);
      assert.match(what["notes.txt"]!.what, /not ours/);
      assert.equal(await Deno.readTextFile(`${daemon.dataDir}/notes.txt`), "mine", "left alone");
      await Deno.chmod(`${daemon.dataDir}/log`, 0o700);
      await Deno.remove(`${daemon.folder}/second`);
    });
  });

  Deno.test(`evs doctor names events and files of a time to come with the ${store} store`, async () => {
    await using daemon = await startDaemon({ store });
    const ahead = Date.now() + 3_600_000;
    const event = (timestamp: number) => ({ type: "placed", payload: 1, timestamp });
    await daemon.http("POST", "/v1/topics/orders/events", [event(ahead), event(Date.now())]);
    await inEachState(daemon, async (state) => {
      const path = `${daemon.dataDir}/state.db`;
      let found: Diagnosis[];
      do {
        await Deno.utime(path, ahead / 1000, ahead / 1000);
        found = (await warnings(daemon)).filter(({ check }) => check === "clock");
        // Unless the daemon came to rest meanwhile, and wrote to it.
      } while ((await Deno.stat(path)).mtime!.getTime() < ahead - 1000);
      assert.deepEqual(named(found), ["clock orders", "clock state.db"], state);
      assert.match(found[0]!.what, /^1 event is in the future, event 1 of \d{4}-.* UTC/);
      assert.match(found[1]!.what, /it was written at/);
      assert.deepEqual(
        (await warnings(daemon, "--quick")).map(({ where }) => where).filter((one) =>
          one === "orders"
        ),
        [],
      );
    });
  });

  Deno.test(`evs doctor names subscriptions that stand still and schemas that nobody uses with the ${store} store`, async () => {
    await using daemon = await startDaemon({ store });
    for (const type of ["placed", "plcaed"]) {
      await daemon.http("PUT", `/v1/schemas/${type}`, { type: "number" });
    }
    for (const name of ["mailer", "biller", "idle"]) {
      await daemon.http("PUT", `/v1/subscriptions/${name}`, {
        topic: name === "idle" ? "empty" : "orders",
      });
    }
    await daemon.publish("orders", "placed", 1, 2, 3);
    await daemon.http("POST", "/v1/subscriptions/mailer/pause", {
      reason: "the mail server is down",
    });
    // One of three is done: two wait.
    const leased = await daemon.http("POST", "/v1/subscriptions/biller/lease", { max: 1 });
    await daemon.http("POST", "/v1/subscriptions/biller/ack", {
      leases: [leased.json.deliveries[0].lease],
    });
    await inEachState(daemon, async (state) => {
      const found = (await warnings(daemon)).filter(({ check }) => check !== "socket");
      assert.deepEqual(named(found).sort(), [
        "schemas plcaed",
        "subscriptions biller",
        "subscriptions mailer",
      ], state);
      const what = Object.fromEntries(found.map((one) => [one.where, one]));
      assert.match(
        what["mailer"]!.what,
        /^it is paused \(the mail server is down\); 3 events wait for it, none is lost$/,
      );
      assert.equal(what["mailer"]!.hint, "evs subscription resume mailer");
      assert.match(
        what["biller"]!.what,
        /^it makes no progress: 2 events wait for it, and nobody consumes them/,
      );
      assert.match(
        what["biller"]!.hint!,
        state === "running" ? /^evs consume 'orders' --name biller/ : /^evs daemon start/,
      );
      assert.match(what["plcaed"]!.what, /no stored event has this type/);
      assert.match(what["plcaed"]!.hint!, /^evs schema remove plcaed --version 1\.0/);
    });
    // Somebody is at work: that is progress.
    await daemon.http("POST", "/v1/subscriptions/biller/lease", { max: 1 });
    assert.ok(!named(await warnings(daemon)).includes("subscriptions biller"));
  });
}

Deno.test("evs doctor names the process that holds the lock and does not answer, and what is no socket", async () => {
  await using daemon = await startDaemon();
  await daemon.stop();
  const folder = await Deno.open(daemon.dataDir, { read: true });
  assert.ok(await folder.tryLock(true));
  const [held] = await warnings(daemon);
  assert.equal(held!.check, "socket");
  assert.match(held!.what, new RegExp(`^process ${Deno.pid} holds the lock`));
  folder.close();
  assert.deepEqual(await warnings(daemon), []);
  await Deno.writeTextFile(daemon.socket, "");
  const [other] = await warnings(daemon);
  assert.match(other!.what, /in the socket's place but is not a socket/);
  await Deno.remove(daemon.socket);
  await daemon.start();
});

Deno.test("evs doctor names a disk that is nearly full, and none that has room in plenty", async () => {
  const folder = await Deno.makeTempDir({ prefix: "evs-room-" });
  const GIB = 1024 ** 3;
  const at = async (free: number, size: number) => {
    const context: CheckContext = {
      dataDir: folder,
      socket: `${folder}/evs.sock`,
      quick: true,
      now: Date.now(),
      room: () => Promise.resolve({ free, size }),
    };
    const found: string[] = [];
    for await (
      const { level, what } of examine(
        context,
        checks.filter(({ name }) => name === "room"),
      )
    ) {
      found.push(`${level}: ${what}`);
    }
    return found.join();
  };
  assert.match(
    await at(0.5 * GIB, 20 * GIB),
    /^warning: the disk is nearly full: 512 MiB of 20\.0 GiB are free; what is stored stays/,
  );
  assert.match(await at(1.9 * GIB, 20 * GIB), /^warning: the disk is nearly full/);
  assert.equal(await at(2.1 * GIB, 20 * GIB), "");
  assert.match(await at(9 * GIB, 1000 * GIB), /^warning: the disk is nearly full/);
  assert.equal(await at(11 * GIB, 1000 * GIB), "", "a large disk is not nearly full");
  await Deno.remove(folder);
});
