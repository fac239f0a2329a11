/**
 * Contract row 21: the data dir belongs to its owner alone, whatever the umask, and nothing that
 * others could have tampered with is used.
 */
import assert from "node:assert/strict";
import {
  dataDirAt,
  makeDatabaseFile,
  prepareDataDir,
  prepareFiles,
} from "../../daemon/data_dir.ts";
import { end, inFolder, modeOf, tryStart } from "../helpers/start.ts";

function* filesIn(folder: string): Generator<{ path: string; isDirectory: boolean }> {
  for (const { name, isDirectory } of Deno.readDirSync(folder)) {
    yield { path: `${folder}/${name}`, isDirectory };
    if (isDirectory) yield* filesIn(`${folder}/${name}`);
  }
}

async function publishOne(socket: string): Promise<void> {
  using client = Deno.createHttpClient({ proxy: { transport: "unix", path: socket } });
  const reply = await fetch("http://evs/v1/topics/t/events?type=x", {
    client,
    method: "POST",
    body: "1",
  });
  assert.equal(reply.status, 200, await reply.text());
}

for (const umask of ["000", "022", "077", "277"]) {
  Deno.test(`data dir has 0700, its files 0600, the socket 0600 when the umask is ${umask}`, async () => {
    await inFolder(async (folder) => {
      const places = { dataDir: `${folder}/data`, socket: `${folder}/evs.sock` };
      const shell = ["sh", "-c", `umask ${umask}; exec "$@"`, "sh"];
      const daemon = await tryStart(places, shell);
      assert.ok(daemon.ready, daemon.stderr);
      await publishOne(places.socket);
      assert.equal(modeOf(places.dataDir), "700");
      assert.equal(modeOf(places.socket), "600");
      let files = 0;
      for (const { path, isDirectory } of filesIn(places.dataDir)) {
        assert.equal(modeOf(path), isDirectory ? "700" : "600", path);
        files++;
      }
      assert.ok(files >= 5, "databases, their logs and the log were looked at");
      assert.equal(await end(daemon), 0);
    });
  });
}

/** A data dir that was used once, with something in its place. */
const FAULTS: [what: string, make: (dataDir: string, canary: string) => void, says: RegExp][] = [
  ["a data dir that is a link", (dataDir, canary) => {
    Deno.renameSync(dataDir, `${canary}.folder`);
    Deno.symlinkSync(`${canary}.folder`, dataDir);
  }, /data is a symbolic link/],
  ["a data dir that is a file", (dataDir) => {
    Deno.removeSync(dataDir, { recursive: true });
    Deno.writeTextFileSync(dataDir, "");
  }, /data is not a folder/],
  [
    "a data dir that a group can write to",
    (dataDir) => Deno.chmodSync(dataDir, 0o770),
    /data can be written by others \(mode 770\).*\n.*chmod go-w/,
  ],
  ...["events.db", "state.db", "events.db-wal", "state.db-shm", "log/daemon.log"].flatMap((
    name,
  ): [string, (dataDir: string, canary: string) => void, RegExp][] => [
    [`${name} that is a link`, (dataDir, canary) => {
      removeIfThere(`${dataDir}/${name}`);
      Deno.symlinkSync(canary, `${dataDir}/${name}`);
    }, /is a symbolic link/],
    [`${name} that a group can write to`, (dataDir) => {
      Deno.writeTextFileSync(`${dataDir}/${name}`, "", { append: true });
      Deno.chmodSync(`${dataDir}/${name}`, 0o620);
    }, /can be written by others \(mode 620\)/],
    [`${name} that is a hard link`, (dataDir, canary) => {
      removeIfThere(`${dataDir}/${name}`);
      Deno.linkSync(canary, `${dataDir}/${name}`);
    }, /has a second name/],
  ]),
  ["a log folder that is a link", (dataDir, canary) => {
    Deno.renameSync(`${dataDir}/log`, `${canary}.folder`);
    Deno.symlinkSync(`${canary}.folder`, `${dataDir}/log`);
  }, /log is a symbolic link/],
];

function removeIfThere(path: string): void {
  try {
    Deno.removeSync(path);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}

Deno.test("a data dir is refused in words, and the canary untouched, when others could have a hand in it", async (t) => {
  await inFolder(async (folder) => {
    for (const [i, [what, make, says]] of FAULTS.entries()) {
      await t.step(what, async () => {
        const places = { dataDir: `${folder}/${i}/data`, socket: `${folder}/${i}/evs.sock` };
        const canary = `${folder}/${i}/canary`;
        const first = await tryStart(places);
        assert.ok(first.ready, first.stderr);
        assert.equal(await end(first), 0);
        Deno.writeTextFileSync(canary, "precious", { mode: 0o600 });
        make(places.dataDir, canary);
        const before = Deno.lstatSync(canary);
        const second = await tryStart(places);
        assert.equal(second.ready, false, what);
        assert.match(second.stderr, says);
        const { mtime, mode, size } = Deno.lstatSync(canary);
        assert.deepEqual([mtime, mode, size], [before.mtime, before.mode, before.size]);
        assert.equal(Deno.readTextFileSync(canary), "precious");
      });
    }
  });
});

Deno.test("a file of somebody else's is left alone in a data dir when it is none of the names that we use", async () => {
  await inFolder(async (folder) => {
    const places = { dataDir: `${folder}/data`, socket: `${folder}/evs.sock` };
    Deno.mkdirSync(`${places.dataDir}/log/notes`, { recursive: true, mode: 0o700 });
    Deno.chmodSync(places.dataDir, 0o700);
    Deno.writeTextFileSync(`${places.dataDir}/diary.txt`, "mine");
    const daemon = await tryStart(places);
    assert.ok(daemon.ready, daemon.stderr);
    assert.equal(await end(daemon), 0);
    assert.equal(Deno.readTextFileSync(`${places.dataDir}/diary.txt`), "mine");
  });
});

Deno.test("a daemon says what to choose when a place is in a folder of the system itself", async () => {
  await inFolder(async (folder) => {
    const good = { dataDir: `${folder}/data`, socket: `${folder}/evs.sock` };
    for (const places of [{ ...good, dataDir: "/proc/x" }, { ...good, socket: "/sys/x/s" }]) {
      const { ready, code, stderr } = await tryStart(places);
      assert.deepEqual([ready, code], [false, 2], stderr);
      assert.match(
        stderr,
        /^evs daemon: \/(proc|sys)\/x\S* lies in .* system .*\n {2}choose .*EVS_DATA_DIR.*\n$/,
      );
    }
  });
});

/** What is wrong with the folders of a file store. */
const FOLDER_FAULTS: [what: string, make: (events: string) => void, says: RegExp][] = [
  ["the folder of events is a link", (events) => {
    Deno.renameSync(events, `${events}.there`);
    Deno.symlinkSync(`${events}.there`, events);
  }, /events is a symbolic link/],
  [
    "a group can write to the folder of events",
    (events) => Deno.chmodSync(events, 0o770),
    /events can be written by others \(mode 770\).*\n.*chmod go-w/,
  ],
  [
    "a group can write to a topic's folder",
    (events) => Deno.chmodSync(`${events}/t`, 0o770),
    /events\/t can be written by others \(mode 770\).*\n.*chmod go-w/,
  ],
];

Deno.test("a file store is refused in words, and its events untouched, when others could have a hand in its folders", async (t) => {
  await inFolder(async (folder) => {
    for (const [i, [what, make, says]] of FOLDER_FAULTS.entries()) {
      await t.step(what, async () => {
        const places = { dataDir: `${folder}/${i}/data`, socket: `${folder}/${i}/evs.sock` };
        Deno.mkdirSync(`${folder}/${i}`);
        Deno.writeTextFileSync(`${places.dataDir}.toml`, 'store = "file"\n');
        const first = await tryStart(places);
        assert.ok(first.ready, first.stderr);
        await publishOne(places.socket);
        assert.equal(await end(first), 0);
        const events = `${places.dataDir}/events`;
        // A piece that a start would cut off.
        const segment = `${events}/t/0000000000000001.ndjson`;
        Deno.writeTextFileSync(segment, '{"seq":2', { append: true });
        const before = Deno.readTextFileSync(segment);
        make(events);
        const second = await tryStart(places);
        assert.equal(second.ready, false, what);
        assert.match(second.stderr, says);
        assert.equal(Deno.readTextFileSync(segment), before);
      });
    }
  });
});

Deno.test("a file store's folders that others may read are closed to them at the next start", async () => {
  await inFolder(async (folder) => {
    const places = { dataDir: `${folder}/data`, socket: `${folder}/evs.sock` };
    Deno.writeTextFileSync(`${places.dataDir}.toml`, 'store = "file"\n');
    const first = await tryStart(places);
    assert.ok(first.ready, first.stderr);
    assert.equal(await end(first), 0);
    const [events, topic] = [`${places.dataDir}/events`, `${places.dataDir}/events/t`];
    Deno.mkdirSync(topic);
    for (const path of [events, topic]) Deno.chmodSync(path, 0o755);
    const second = await tryStart(places);
    assert.ok(second.ready, second.stderr);
    assert.equal(await end(second), 0);
    assert.deepEqual([modeOf(events), modeOf(topic)], ["700", "700"]);
  });
});

/** Our files in a data dir. */
const FILES = [
  "events.db",
  "events.db-wal",
  "events.db-shm",
  "events.db-journal",
  "state.db",
  "state.db-wal",
  "reserve",
  "history",
  "watermarks",
  "log/daemon.log",
  "log/daemon.log.1",
  "quarantine/index.ndjson",
];
/** What may stand in the place of one, and what is said of it. */
const STANDINGS: [what: string, make: (path: string, canary: string) => void, says: RegExp][] = [
  ["a link", (path, canary) => Deno.symlinkSync(canary, path), /is a symbolic link/],
  ["a link to nothing", (path) => Deno.symlinkSync("/nowhere", path), /is a symbolic link/],
  ["a second name", (path, canary) => Deno.linkSync(canary, path), /has a second name/],
  ["a folder", (path) => Deno.mkdirSync(path), /is not a file/],
  ["a FIFO", (path) => {
    assert.ok(new Deno.Command("mkfifo", { args: [path] }).outputSync().success);
  }, /is not a file/],
  ["a file that a group can write", (path) => {
    Deno.writeTextFileSync(path, "");
    Deno.chmodSync(path, 0o660);
  }, /can be written by others \(mode 660\)/],
  ["a file that all can write", (path) => {
    Deno.writeTextFileSync(path, "");
    Deno.chmodSync(path, 0o602);
  }, /can be written by others \(mode 602\)/],
];

Deno.test("prepareFiles refuses each of our files in which others could have a hand, and opens none", async () => {
  await inFolder((folder) => {
    for (const name of FILES) {
      for (const [what, make, says] of STANDINGS) {
        const dataDir = `${folder}/data`;
        const canary = `${folder}/canary`;
        prepareDataDir(dataDir);
        for (const inner of ["log", "quarantine"]) Deno.mkdirSync(`${dataDir}/${inner}`);
        Deno.writeTextFileSync(canary, "precious", { mode: 0o600 });
        make(`${dataDir}/${name}`, canary);
        assert.throws(() => prepareFiles(dataDirAt(dataDir)), says, `${name} is ${what}`);
        assert.equal(Deno.readTextFileSync(canary), "precious");
        Deno.removeSync(dataDir, { recursive: true });
      }
    }
    return Promise.resolve();
  });
});

Deno.test("prepareFiles closes to others what they may read", async () => {
  await inFolder((folder) => {
    const dataDir = `${folder}/data`;
    Deno.mkdirSync(dataDir);
    Deno.chmodSync(dataDir, 0o755);
    prepareDataDir(dataDir);
    const files = ["events.db", "state.db", "reserve", "history", "log/daemon.log"]
      .map((name) => `${dataDir}/${name}`);
    for (const name of ["log", "spool"]) Deno.mkdirSync(`${dataDir}/${name}`);
    for (const path of files) Deno.writeTextFileSync(path, "");
    for (const path of files) Deno.chmodSync(path, 0o644);
    Deno.chmodSync(`${dataDir}/spool`, 0o755);
    prepareFiles(dataDirAt(dataDir));
    assert.deepEqual(files.map(modeOf), files.map(() => "600"));
    assert.deepEqual([dataDir, `${dataDir}/spool`].map(modeOf), ["700", "700"]);
    return Promise.resolve();
  });
});

Deno.test("makeDatabaseFile says in words that the disk is full", () => {
  const { openSync } = Deno;
  Deno.openSync = () => {
    throw Object.assign(new Error("No space left on device (os error 28)"), { code: "ENOSPC" });
  };
  try {
    assert.throws(() => makeDatabaseFile("/nowhere/events.db"), { code: "store/disk-full" });
  } finally {
    Deno.openSync = openSync;
  }
});
