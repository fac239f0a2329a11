/** Shows what a simulated machine does to sockets, files and databases, as the real one does. */
import assert from "node:assert/strict";
import { DatabaseSync } from "node:sqlite";
import { runWorld } from "./engine/run.ts";
import type { World } from "./types.ts";

async function inWorld(run: (world: World) => Promise<void>, seed = 1): Promise<void> {
  const plan = (seed: number) => ({ seed, settings: {}, steps: [] });
  const { broke } = await runWorld({ name: "test", plan, run }, seed);
  assert.equal(broke, undefined, JSON.stringify(broke));
}

/** Runs `work` in a process of its own, which then goes on. */
function inProcess<T>(world: World, name: string, work: () => Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    world.spawn(name, async () => {
      await work().then(resolve, reject);
      await new Promise(() => {});
    });
  });
}

async function connected(world: World): Promise<[server: Deno.Conn, client: Deno.Conn]> {
  const path = `${world.machine.root}/test.sock`;
  const server = inProcess(world, "server", async () => {
    return await Deno.listen({ transport: "unix", path }).accept() as unknown as Deno.Conn;
  });
  const client = inProcess(world, "client", async () => {
    await world.sleep(1);
    return await Deno.connect({ transport: "unix", path }) as unknown as Deno.Conn;
  });
  return [await server, await client];
}

async function readAll(conn: Deno.Conn): Promise<number[]> {
  const bytes: number[] = [];
  const buffer = new Uint8Array(1000);
  for (;;) {
    const count = await conn.read(buffer);
    if (count === null) return bytes;
    bytes.push(...buffer.subarray(0, count));
  }
}

Deno.test("bytes arrive whole and in order when the network cuts them into pieces", () =>
  inWorld(async (world) => {
    const [server, client] = await connected(world);
    world.machine.network({ delayMs: [0, 50], pieceBytes: 7 });
    const sent = Array.from({ length: 500 }, (_, i) => i % 256);
    const read = readAll(server);
    for (let rest = Uint8Array.from(sent); rest.length > 0;) {
      rest = rest.subarray(await client.write(rest));
    }
    client.close();
    assert.deepEqual(await read, sent);
  }));

Deno.test("a cut connection is broken for both, and one that is half-closed can still be written to", () =>
  inWorld(async (world) => {
    const [server, client] = await connected(world);
    assert.equal(world.machine.halfClose("client"), 1);
    assert.deepEqual(await readAll(server), [], "the server reads the end");
    assert.equal(await server.write(Uint8Array.of(1)), 1, "and can still answer");
    assert.equal(await client.read(new Uint8Array(8)), 1);
    assert.equal(world.machine.cut("client"), 1);
    await assert.rejects(() => server.read(new Uint8Array(8)), Deno.errors.ConnectionReset);
    await assert.rejects(() => client.write(Uint8Array.of(1)), Deno.errors.BrokenPipe);
  }));

Deno.test("nothing arrives while the network is stalled, and everything afterwards", () =>
  inWorld(async (world) => {
    const [server, client] = await connected(world);
    world.machine.network({ stalled: true });
    let arrived = 0;
    void server.read(new Uint8Array(8)).then((count) => arrived = count ?? 0);
    await client.write(Uint8Array.of(1, 2));
    await world.sleep(60_000);
    assert.equal(arrived, 0);
    world.machine.network({});
    await world.sleep(10);
    assert.equal(arrived, 2);
  }));

Deno.test("a process that continues has its overdue timers before it reads what has arrived", () =>
  inWorld(async (world) => {
    const path = `${world.machine.root}/test.sock`;
    const done: string[] = [];
    const reader = world.spawn("reader", async () => {
      const conn = await Deno.listen({ transport: "unix", path }).accept();
      setTimeout(() => done.push("second timer"), 900);
      setTimeout(() => done.push("first timer"), 500);
      await conn.read(new Uint8Array(8));
      done.push("read");
    });
    await world.sleep(1);
    const client = await Deno.connect({ transport: "unix", path });
    await world.sleep(10);
    reader.stop();
    await client.write(Uint8Array.of(1));
    await world.sleep(5000);
    assert.deepEqual(done, []);
    reader.continue();
    await world.sleep(1);
    assert.deepEqual(done, ["first timer", "second timer", "read"]);
  }));

Deno.test("a full disk, an I/O error and a short write are what the file's writer sees", () =>
  inWorld(async (world) => {
    const { machine } = world;
    const path = `${machine.root}/file`;
    await inProcess(world, "writer", () => {
      const file = Deno.openSync(path, { write: true, create: true });
      const bytes = new Uint8Array(100);
      machine.room(150);
      assert.equal(file.writeSync(bytes), 100);
      assert.throws(() => file.writeSync(bytes), /No space left on device/);
      machine.clearFaults();
      machine.fault({ kind: "short", ops: ["write"] });
      assert.equal(file.writeSync(bytes), 50);
      machine.fault({ kind: "EIO", ops: ["sync"], path: "file", after: 1 });
      file.syncSync();
      assert.throws(() => file.syncSync(), /Input\/output error/);
      assert.equal(file.writeSync(bytes), 100);
      return Promise.resolve();
    });
    assert.equal(machine.bytes(path).length, 250);
  }));

Deno.test("what is put into new folders survives a power cut", async () => {
  for (let seed = 1; seed <= 10; seed++) {
    await inWorld(({ machine }) => {
      const path = `${machine.root}/some/new/file`;
      Deno.mkdirSync(`${machine.root}/some`);
      machine.put(path, new Uint8Array(3));
      machine.powerCut();
      assert.deepEqual(machine.files(`${machine.root}/some`), [path]);
      return Promise.resolve();
    }, seed);
  }
});

for (const mode of ["FULL", "NORMAL"]) {
  Deno.test(`a power cut leaves a database whole, and with synchronous = ${mode} loses what it may`, async () => {
    const left = new Set<number>();
    for (let seed = 1; seed <= 12; seed++) {
      await inWorld(async (world) => {
        const path = `${world.machine.root}/some.db`;
        const open = () => new DatabaseSync(path);
        await inProcess(world, "writer", () => {
          const database = open();
          database.exec(`PRAGMA journal_mode = WAL; PRAGMA synchronous = ${mode}`);
          database.exec("CREATE TABLE t (n INTEGER)");
          const insert = database.prepare("INSERT INTO t VALUES (?)");
          for (let n = 1; n <= 20; n++) {
            database.prepare("BEGIN").run();
            insert.run(n);
            database.prepare("COMMIT").run();
          }
          return Promise.resolve();
        });
        world.machine.powerCut();
        await inProcess(world, "reader", () => {
          const database = open();
          const check = database.prepare("PRAGMA integrity_check").get() as Record<string, string>;
          assert.equal(check["integrity_check"], "ok");
          const tables = database.prepare("SELECT count(*) AS n FROM sqlite_schema").get()!;
          const rows = tables["n"] === 0 ? [] : database.prepare("SELECT n FROM t").all();
          const numbers = rows.map(({ n }) => n);
          assert.deepEqual(numbers, numbers.map((_, i) => i + 1), "a prefix of what was committed");
          left.add(numbers.length);
          return Promise.resolve();
        });
      }, seed);
    }
    if (mode === "FULL") assert.deepEqual([...left], [20], "what was synced is there");
    else assert.ok(left.size > 1, `some lost something: ${[...left]}`);
  });
}
