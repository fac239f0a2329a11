/** Contract row 14: the socket's path is replaced only if it is a socket that nobody answers. */
import assert from "node:assert/strict";
import { prepareSocketFolder } from "../../daemon/socket.ts";
import { end, inFolder, modeOf, tryStart } from "../helpers/start.ts";

Deno.test("a stale socket is replaced when its daemon was killed", async () => {
  await inFolder(async (folder) => {
    const places = { dataDir: `${folder}/data`, socket: `${folder}/evs.sock` };
    const first = await tryStart(places);
    await end(first, "SIGKILL");
    assert.ok(Deno.lstatSync(places.socket).isSocket, "it was left behind");
    const second = await tryStart(places);
    assert.ok(second.ready, second.stderr);
    (await Deno.connect({ transport: "unix", path: places.socket })).close();
    assert.equal(await end(second), 0);
    assert.throws(() => Deno.lstatSync(places.socket), Deno.errors.NotFound);
  });
});

/** What else may be there: how it is made, and how it looks. */
const OTHERS: [what: string, make: (path: string) => void][] = [
  ["a regular file", (path) => Deno.writeTextFileSync(path, "precious")],
  ["a folder", (path) => Deno.mkdirSync(path)],
  ["a link to a file", (path) => {
    Deno.writeTextFileSync(`${path}.target`, "precious");
    Deno.symlinkSync(`${path}.target`, path);
  }],
  ["a link to nothing", (path) => Deno.symlinkSync("/nowhere/at-all", path)],
];

function look(path: string): unknown {
  const { isFile, isDirectory, isSymlink, mtime, mode, ino, size } = Deno.lstatSync(path);
  const target = isSymlink ? Deno.readLinkSync(path) : undefined;
  const text = isFile ? Deno.readTextFileSync(path) : undefined;
  return { isFile, isDirectory, isSymlink, mtime, mode, ino, size, target, text };
}

for (const [what, make] of OTHERS) {
  Deno.test(`${what} at the socket's path is left alone, in words, when a daemon starts there`, async () => {
    await inFolder(async (folder) => {
      const places = { dataDir: `${folder}/data`, socket: `${folder}/evs.sock` };
      make(places.socket);
      const before = look(places.socket);
      const start = await tryStart(places);
      assert.equal(start.ready, false);
      assert.match(start.stderr, /evs\.sock is there and is not a socket; it was left alone\n/);
      assert.deepEqual(look(places.socket), before);
    });
  });
}

Deno.test("a socket at which somebody else answers is left alone when a daemon starts there", async () => {
  await inFolder(async (folder) => {
    const places = { dataDir: `${folder}/data`, socket: `${folder}/evs.sock` };
    const listener = Deno.listen({ transport: "unix", path: places.socket });
    const start = await tryStart(places);
    assert.equal(start.ready, false);
    assert.match(start.stderr, /something answers at .*; it was left alone/);
    (await Deno.connect({ transport: "unix", path: places.socket })).close();
    listener.close();
  });
});

Deno.test("a file at the lock's path is left alone when it is a link", async () => {
  await inFolder(async (folder) => {
    const places = { dataDir: `${folder}/data`, socket: `${folder}/evs.sock` };
    Deno.writeTextFileSync(`${folder}/canary`, "precious");
    Deno.symlinkSync(`${folder}/canary`, `${places.socket}.lock`);
    const start = await tryStart(places);
    assert.equal(start.ready, false);
    assert.match(start.stderr, /evs\.sock\.lock is not a plain file; it was left alone/);
    assert.equal(Deno.readTextFileSync(`${folder}/canary`), "precious");
  });
});

Deno.test("a socket path that the kernel does not take is refused in words", async () => {
  await inFolder(async (folder) => {
    const start = await tryStart({
      dataDir: `${folder}/data`,
      socket: `${folder}/${"s".repeat(120)}`,
    });
    assert.equal(start.ready, false);
    assert.match(start.stderr, /the socket path has \d+ bytes, and the kernel takes 107/);
  });
});

Deno.test("prepareSocketFolder makes a folder for its owner alone, and refuses one in which others can replace the socket", async () => {
  await inFolder((folder) => {
    prepareSocketFolder(`${folder}/made/here/evs.sock`);
    assert.equal(modeOf(`${folder}/made/here`), "700");
    const shared = `${folder}/shared`;
    Deno.mkdirSync(shared);
    for (
      const [mode, isTaken] of [[0o700, true], [0o755, true], [0o770, false], [
        0o702,
        false,
      ]] as const
    ) {
      Deno.chmodSync(shared, mode);
      const prepare = () => prepareSocketFolder(`${shared}/evs.sock`);
      if (isTaken) prepare();
      else assert.throws(prepare, { code: "socket/unsafe" }, mode.toString(8));
      assert.equal(modeOf(shared), mode.toString(8), "it is left as it is");
    }
    Deno.chmodSync(shared, 0o1777); // as /tmp: nobody can replace what is another's
    prepareSocketFolder(`${shared}/evs.sock`);
    return Promise.resolve();
  });
});
