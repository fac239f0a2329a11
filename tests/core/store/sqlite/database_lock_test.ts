/** A SQLite file has one broker: a second one is refused with an error that says who holds it. */
import assert from "node:assert/strict";
import { EventBroker, SqliteEventStore } from "../../../../mod.ts";
import { DataDirError } from "../../../../core/base/errors.ts";
import { lockDatabase, openLocked } from "../../../../core/store/sqlite/database_lock.ts";
import { SqliteState } from "../../../../core/state/sqlite.ts";
import { startDaemon } from "../../../helpers/daemon.ts";
import { testFolder } from "../../../helpers/folder.ts";

const kinds: Record<string, (path: string) => { close(): Promise<void> }> = {
  SqliteEventStore: (path) => new SqliteEventStore(path),
  SqliteState: (path) => new SqliteState(path),
};

async function inFolder(run: (folder: string) => void | Promise<void>): Promise<void> {
  const folder = await testFolder("test");
  try {
    await run(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

function refused(words: RegExp) {
  return (error: unknown) => {
    assert.ok(error instanceof DataDirError, String(error));
    assert.equal(error.code, "datadir/locked");
    assert.match(error.message, words);
    assert.match(error.hint!, /connect\(\)/);
    return true;
  };
}

for (const [name, open] of Object.entries(kinds)) {
  Deno.test(`${name} refuses a file that another broker of this process has, and takes it once that is closed`, () =>
    inFolder(async (folder) => {
      const path = `${folder}/some.db`;
      const first = open(path);
      await Deno.symlink(path, `${folder}/link.db`);
      for (
        const same of [
          path,
          `${folder}/../${folder.split("/").at(-1)}/some.db`,
          `${folder}/link.db`,
        ]
      ) {
        assert.throws(() => open(same), refused(/another broker of this process has the database/));
      }
      await first.close();
      const second = open(path);
      await second.close();
      const left = [...Deno.readDirSync(folder)].map((entry) => entry.name).sort();
      assert.deepEqual(left, ["link.db", "some.db"], "no lock is left behind");
    }));

  Deno.test(`${name} refuses a file that another process has, and takes it once that is killed`, () =>
    inFolder(async (folder) => {
      const path = `${folder}/some.db`;
      const module = name === "SqliteEventStore"
        ? "core/store/sqlite/sqlite_event_store.ts"
        : "core/state/sqlite.ts";
      const script = `import { ${name} } from ${
        JSON.stringify(new URL(`../../../../${module}`, import.meta.url).href)
      };
        new ${name}(${JSON.stringify(path)});
        console.log("open");
        setInterval(() => {}, 1000);`;
      const child = new Deno.Command(Deno.execPath(), {
        args: ["eval", script],
        stdout: "piped",
      }).spawn();
      try {
        const output = child.stdout.getReader();
        assert.match(new TextDecoder().decode((await output.read()).value), /open/);
        assert.throws(
          () => open(path),
          refused(new RegExp(`the process ${child.pid} has the database`)),
        );
        child.kill("SIGKILL");
        while (!(await output.read()).done);
      } finally {
        await child.status;
      }
      const again = open(path);
      await again.close();
    }));

  Deno.test(`${name} leaves alone a file beside it that is no lock`, () =>
    inFolder(async (folder) => {
      const path = `${folder}/some.db`;
      await Deno.writeTextFile(`${path}.lock`, "my own notes\n");
      assert.throws(() => open(path), /it was left alone/);
      assert.equal(await Deno.readTextFile(`${path}.lock`), "my own notes\n");
      await Deno.remove(`${path}.lock`);
      await Deno.symlink(`${folder}/elsewhere`, `${path}.lock`);
      assert.throws(() => open(path), /it was left alone/);
    }));

  Deno.test(`${name} opens a file when a power cut has left its lock with zeros, or cut short`, () =>
    inFolder(async (folder) => {
      const path = `${folder}/some.db`;
      for (const left of ["\0\0\0\0\0", "1004", "1004\n\0\0", "12\0\0\0", "10\n4\n"]) {
        await Deno.writeTextFile(`${path}.lock`, left);
        await open(path).close();
      }
    }));

  Deno.test(`${name} opens a file when something else beside it is called log`, () =>
    inFolder(async (folder) => {
      const log = `${folder}/log`;
      const makers = [
        () => Deno.writeTextFile(log, "a diary\n"),
        () => Deno.symlink(`${folder}/nowhere`, log),
        () => Deno.mkdir(log),
      ];
      for (const make of makers) {
        await make();
        await open(`${folder}/some.db`).close();
        await Deno.remove(log);
      }
    }));
}

Deno.test("EventBroker on files that another broker publishes to is refused, and nothing of the first is lost", () =>
  inFolder(async (folder) => {
    const make = () =>
      new EventBroker({
        state: new SqliteState(`${folder}/state.db`),
        eventStore: new SqliteEventStore(`${folder}/events.db`),
      });
    await using first = make();
    await first.publish("t", "x", 1);
    assert.throws(make, refused(/another broker of this process/));
    assert.equal((await first.publish("t", "x", 2)).seq, 2);
  }));

Deno.test("SqliteEventStore and SqliteState refuse the files of a daemon that runs, and take them when it has stopped", async () => {
  await using daemon = await startDaemon();
  await daemon.publish("t", "x", 1);
  for (
    const [name, file] of [["SqliteEventStore", "events.db"], ["SqliteState", "state.db"]] as const
  ) {
    const path = `${daemon.dataDir}/${file}`;
    assert.throws(() => kinds[name]!(path), refused(/a daemon has the database/));
  }
  assert.equal((await daemon.http("GET", "/v1/health")).status, 200);
  await daemon.stop();
  const store = new SqliteEventStore(`${daemon.dataDir}/events.db`);
  assert.equal((await store.getEvents("t")).length, 1);
  await store.close();
  await daemon.start();
});

Deno.test("lockDatabase refuses a database of a folder that a daemon has locked, and no other", () =>
  inFolder((folder) => {
    const path = `${folder}/events.db`;
    const locked = Deno.openSync(folder, { read: true });
    assert.ok(locked.tryLockSync(true));
    lockDatabase(path).release();
    Deno.mkdirSync(`${folder}/log`);
    Deno.writeTextFileSync(`${folder}/log/daemon.log`, "");
    assert.throws(() => lockDatabase(path), { code: "datadir/locked", message: /a daemon has/ });
    locked.close();
    lockDatabase(path).release();
  }));

Deno.test("lockDatabase is released when what was locked cannot be opened", () =>
  inFolder((folder) => {
    const path = `${folder}/events.db`;
    const fail = () => {
      throw new Error("planted");
    };
    assert.throws(() => openLocked(lockDatabase(path), fail), /planted/);
    const lock = lockDatabase(path);
    assert.throws(() => lockDatabase(path), {
      code: "datadir/locked",
      details: { path, pid: Deno.pid },
    });
    lock.release();
    assert.deepEqual([...Deno.readDirSync(folder)], []);
  }));
