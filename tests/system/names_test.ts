/**
 * Contract row 24: a name chosen by a stranger is stored or refused, and never becomes a path.
 * Tries every input with names that file systems treat specially, then checks everything around the
 * data dir.
 */
import assert from "node:assert/strict";
import {
  EventBroker,
  EvsError,
  FileDeadLetterQueue,
  FileEventStore,
  FileProjectionStore,
  FileSnapshotStore,
} from "../../mod.ts";
import { folderTopic } from "../../core/store/file/layout.ts";
import { startDaemon, type TestDaemon } from "../helpers/daemon.ts";
import { evs } from "../helpers/evs.ts";
import { RawConnection } from "../helpers/raw_connection.ts";
import { inFolder } from "../helpers/start.ts";
import { STORES } from "../helpers/stores.ts";

/** Names refused with an error for a topic and for a subscription. */
const REFUSED = [
  "../x",
  "../../canary",
  "..",
  ".",
  "a/../../x",
  "/etc/passwd",
  "%2e%2e",
  "%2e%2e%2fx",
  "..%2fx",
  "..\\x",
  "a\0b",
  "\0",
  "x".repeat(300),
  "\u00e9", // é as one character (NFC)
  "e\u0301", // and as two (NFD)
  "\uff0e\uff0e", // full-width dots, which NFKC makes `..`
  "a b",
  "a\nb",
  "~root",
  "$(touch pwned)",
  "`touch pwned`",
  "a;touch pwned",
  "users%1",
  "\ud800",
];
/**
 * Allowed, and for some file system a device, a flag, a file of ours, or the same name as another.
 */
const ALLOWED = [
  "con",
  "NUL.txt",
  "-rf",
  "--help",
  ".hidden",
  "...",
  "Users",
  "users",
  "USERS",
  "format",
  "checkpoint",
  "head",
  "events.db",
  "state.db-wal",
  "daemon.log",
  "0000000000000001.ndjson",
  "x".repeat(128),
  "X".repeat(128),
];

/** A folder of a test: the daemon's in it, a canary beside it and above it. */
function layCanaries(folder: string): () => void {
  const paths = [`${folder}/canary`, `${folder}/x`, `${folder}/passwd`];
  for (const path of paths) Deno.writeTextFileSync(path, "precious");
  const before = paths.map((path) => Deno.lstatSync(path).mtime?.getTime());
  return () => {
    for (const [i, path] of paths.entries()) {
      assert.equal(Deno.readTextFileSync(path), "precious", path);
      assert.equal(Deno.lstatSync(path).mtime?.getTime(), before[i], path);
    }
  };
}

/** All that lies in a folder, as paths from there. */
function* everything(folder: string, prefix = ""): Generator<string> {
  for (const { name, isDirectory } of Deno.readDirSync(folder)) {
    yield prefix + name;
    if (isDirectory) yield* everything(`${folder}/${name}`, `${prefix}${name}/`);
  }
}

const OURS =
  /^(events\.db|state\.db)(-wal|-shm)?$|^(watermarks|reserve|history|daemon\.json)$|^log(\/daemon\.log)?$|^events(\/(format|checkpoint))?$/;
const TOPIC_FILE = /^events\/([^/]+)(?:\/(?:\d{16}\.(?:ndjson|index|lookup)|head))?$/;

/**
 * Holds a data dir to what is documented: our own files, and a folder for each topic, each another
 * one in any case.
 */
function assertOnlyOurs(dataDir: string, topics: readonly string[]): void {
  const folders = new Set<string>();
  for (const path of everything(dataDir)) {
    if (OURS.test(path)) continue;
    const [, folder] = TOPIC_FILE.exec(path) ?? [];
    assert.ok(folder !== undefined, `${JSON.stringify(path)} is none of ours`);
    assert.match(folder, /^%?[a-z0-9._-]+(%[0-9a-f]+)?$/);
    folders.add(folder);
  }
  const found = [...folders].map((folder) => folderTopic(folder));
  assert.deepEqual(found.toSorted(), topics.toSorted());
}

async function overHttp(daemon: TestDaemon): Promise<void> {
  for (const name of REFUSED) {
    const part = name.isWellFormed() ? encodeURIComponent(name) : "%ED%A0%80";
    for (
      const [method, path, body] of [
        ["POST", `/v1/topics/${part}/events?type=t`, "1"],
        ["PUT", `/v1/topics/${part}`, "{}"],
        ["GET", `/v1/topics/${part}/events`, undefined],
        ["DELETE", `/v1/topics/${part}`, undefined],
        ["PUT", `/v1/subscriptions/${part}`, '{"topic":"users"}'],
        ["POST", `/v1/subscriptions/${part}/lease`, "{}"],
      ] as const
    ) {
      // The client's own URL takes dot segments away, so the bytes are sent as they are.
      const answer = await rawRequest(daemon, { method, path, body });
      assert.ok([400, 404, 405].includes(answer.status), `${method} ${path}: ${answer.status}`);
      assert.match(answer.body, /"message":"/);
    }
    // In a body nothing is decoded on the way.
    const named = JSON.stringify({ topic: name });
    const answer = await daemon.http("PUT", "/v1/subscriptions/s", named);
    assert.equal(answer.status, 400, answer.text);
  }
  for (const name of ALLOWED) {
    const part = encodeURIComponent(name);
    const stored = await rawRequest(daemon, {
      method: "POST",
      path: `/v1/topics/${part}/events?type=t`,
      body: JSON.stringify(name),
    });
    assert.equal(stored.status, 200, `${name}: ${stored.body}`);
    const made = await daemon.http("PUT", `/v1/subscriptions/${part}`, { topic: name });
    assert.equal(made.status, 201, made.text);
  }
  // The names of schemas, types, ids and keys are data: what is taken lies in a database or a line,
  // nowhere else.
  for (const name of [...REFUSED, ...ALLOWED]) {
    const part = name.isWellFormed() ? encodeURIComponent(name) : "%ED%A0%80";
    const schema = await rawRequest(daemon, {
      method: "PUT",
      path: `/v1/schemas/${part}`,
      body: '{"type":"number"}',
    });
    assert.ok(schema.status < 500, `schema ${JSON.stringify(name)}: ${schema.body}`);
    const event = { type: name, key: name, id: name, schemaVersion: name, payload: 1 };
    const answer = await daemon.http("POST", "/v1/topics/users/events", event);
    assert.ok(answer.status < 500, `event ${JSON.stringify(name)}: ${answer.text}`);
  }
}

async function rawRequest(
  daemon: TestDaemon,
  { method, path, body = "" }: { method: string; path: string; body: string | undefined },
): Promise<{ status: number; body: string }> {
  const connection = await RawConnection.open(daemon.socket);
  try {
    const head = `${method} ${path} HTTP/1.1\r\nhost: evs\r\ncontent-type: application/json\r\n`;
    await connection.send(`${head}content-length: ${body.length}\r\n\r\n${body}`);
    return await connection.answer();
  } finally {
    connection.close();
  }
}

async function overTheCommandLine(daemon: TestDaemon, cwd: string): Promise<void> {
  const names = ["../x", "%2e%2e%2fx", "\u00e9", "x".repeat(300), "$(touch pwned)", ".."];
  for (const name of names) {
    for (
      const args of [
        ["publish", name, "t", "1"],
        ["topic", "create", "--", name],
        ["consume", "users", "--name", name, "--until-empty", "--", "true"],
        ["replay", name],
      ]
    ) {
      const { code, stderr } = await evs(args, { at: daemon, cwd });
      assert.equal(code, 2, `${args.join(" ")}: ${code} ${stderr}`);
      assert.match(stderr, /name/);
    }
  }
  // A file is only ever read where a file is expected, and its name is not the schema's.
  await Deno.writeTextFile(`${cwd}/schema.json`, '{"type":"number"}');
  const { code, stderr } = await evs(["schema", "register", "../../x", "schema.json"], {
    at: daemon,
    cwd,
  });
  assert.equal(code, 0, stderr);
  assert.deepEqual([...Deno.readDirSync(cwd)].map(({ name }) => name), ["schema.json"]);
}

for (const store of STORES) {
  Deno.test(`a topic, a subscription or a schema is stored or refused and no name becomes a path with the ${store} store`, async () => {
    await using daemon = await startDaemon({ store });
    const assertCanaries = layCanaries(daemon.folder);
    const cwd = `${daemon.folder}/work`;
    await Deno.mkdir(cwd);
    await overHttp(daemon);
    await overTheCommandLine(daemon, cwd);
    for (const name of ALLOWED) {
      const [event] = await daemon.replay(encodeURIComponent(name));
      assert.equal(event.payload, name, "each name has its own events");
    }
    assertOnlyOurs(daemon.dataDir, store === "file" ? ALLOWED : []);
    await daemon.stop();
    await daemon.start();
    for (const name of ALLOWED) {
      const [event] = await daemon.replay(encodeURIComponent(name));
      assert.equal(event.payload, name, "after a restart too");
    }
    await daemon.stop();
    assertOnlyOurs(daemon.dataDir, store === "file" ? ALLOWED : []);
    assertCanaries();
    assert.deepEqual(
      [...Deno.readDirSync(daemon.folder)].map(({ name }) => name).toSorted(),
      ["canary", "data", "evs.sock.lock", "passwd", "work", "x"],
    );
  });
}

Deno.test("no name becomes a path in the library: topics, subscriptions, ids, snapshots and projections", async () => {
  await inFolder(async (folder) => {
    const assertCanaries = layCanaries(folder);
    const store = new FileEventStore(`${folder}/store`);
    const broker = new EventBroker({
      eventStore: store,
      deadLetterQueue: new FileDeadLetterQueue(`${folder}/dead`),
    });
    const snapshots = new FileSnapshotStore(`${folder}/snapshots`);
    const projections = new FileProjectionStore(`${folder}/projections`);
    const record = { version: "1", checkpoint: {}, eventIds: {}, state: 1 };
    for (const name of [...REFUSED, ""]) {
      const refused = (error: unknown) =>
        error instanceof EvsError && /invalid-name|invalid-pattern/.test(error.code);
      await assert.rejects(async () => await broker.publish(name, "t", 1), refused, name);
      await assert.rejects(async () => await projections.load(name), refused, name);
      await assert.rejects(async () => await projections.save({ name, ...record }), refused, name);
    }
    for (const name of [...REFUSED, ...ALLOWED]) {
      const snapshot = {
        topic: name,
        id: name,
        version: 1,
        schemaVersion: "1",
        state: 1,
        eventId: "x",
      };
      await snapshots.save({ ...snapshot, seq: 1 } as never);
      assert.equal((await snapshots.load(name, name))?.id, name);
    }
    for (const name of ALLOWED) {
      await broker.publish(name, "t", name);
      const [event] = await store.getEvents(name);
      assert.equal(event?.payload, name);
    }
    await broker.close();
    await store.close();
    const topics = new Set<string>();
    for (const path of everything(folder)) {
      const [, topic] = /^store\/([^/]+)\//.exec(path) ?? [];
      if (topic !== undefined) topics.add(folderTopic(topic)!);
      assert.match(
        path,
        /^(canary|x|passwd|dead(\/[a-z.-]+)?|snapshots(\/[0-9a-f]{64}\.json)?|store|store\/(format|checkpoint|%?[a-z0-9._-]+(%[0-9a-f]+)?(\/(\d{16}\.\w+|head))?))$/,
      );
    }
    assert.deepEqual([...topics].toSorted(), ALLOWED.toSorted());
    assertCanaries();
  });
});
