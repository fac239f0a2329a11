/**
 * Contract row 17: a listener that has run out of descriptors accepts those that wait as soon as one
 * is free, in a process that may open only a few. So it does when the machine has none left, the
 * kernel no memory, or a client has left before it was accepted.
 */
import assert from "node:assert/strict";
import { until } from "../helpers/evs.ts";
import { RawConnection } from "../helpers/raw_connection.ts";
import { needTools, project } from "../helpers/shell.ts";
import { inFolder } from "../helpers/start.ts";

const FILES = 40;
const COUNT = 60;

/** Says hello to each connection, and closes it when its client does. */
const PROGRAM = `
import { SocketListener } from "${project}/daemon/http/listener.ts";
import { systemClock } from "${project}/core/base/clock.ts";
// As in the daemon: the runtime opens what it needs for signals with the first of them.
Deno.addSignalListener("SIGHUP", () => {});
const recovered = {};
const listener = new SocketListener({
  socket: Deno.args[0],
  clock: systemClock,
  protect() {},
  remove: () => Deno.removeSync(Deno.args[0]),
  async connection(conn) {
    await conn.write(new TextEncoder().encode("hello"));
    await conn.read(new Uint8Array(1)).catch(() => null);
    conn.close();
  },
  recovered: (lack) => void (recovered[lack] = (recovered[lack] ?? 0) + 1),
  failed(error) {
    console.error(error);
    Deno.exit(1);
  },
});
listener.listen();
await Deno.stdin.read(new Uint8Array(1));
await listener.close();
console.log(JSON.stringify(recovered));
Deno.exit(0);
`;

/** Once one was served, the runtime has opened what it needs for itself. */
async function isServed(socket: string): Promise<boolean> {
  try {
    const connection = await RawConnection.open(socket);
    await connection.until(/hello/);
    connection.close();
    return true;
  } catch {
    return false; // it does not listen yet
  }
}

Deno.test(`SocketListener with ${FILES} descriptors accepts all of ${COUNT} connections when the first of them leave`, async () => {
  needTools("prlimit");
  await inFolder(async (folder) => {
    const socket = `${folder}/s.sock`;
    await Deno.writeTextFile(`${folder}/program.ts`, PROGRAM);
    const run = ["run", "-A", "--quiet", "--no-lock", `--config=${project}/deno.json`];
    const process = new Deno.Command("prlimit", {
      args: [`--nofile=${FILES}`, Deno.execPath(), ...run, `${folder}/program.ts`, socket],
      stdin: "piped",
      stdout: "piped",
    }).spawn();
    await until(() => isServed(socket));
    const connections = await Promise.all(
      Array.from({ length: COUNT }, () => RawConnection.open(socket)),
    );
    await until(() => [...Deno.readDirSync(`/proc/${process.pid}/fd`)].length >= FILES);
    for (const connection of connections) {
      await connection.until(/hello/);
      connection.close();
    }
    process.stdin.close();
    const { code, stdout } = await process.output();
    assert.equal(code, 0);
    const { descriptor } = JSON.parse(new TextDecoder().decode(stdout));
    assert.ok(descriptor > 0, "and it says that it had run out");
  });
});

/** Errors of an accept that pass, and what it says was lacking. */
const PASSING: Record<string, string | undefined> = {
  ENFILE: "descriptor",
  ENOBUFS: "memory",
  ENOMEM: "memory",
  ECONNABORTED: undefined,
};

for (const [error, lack] of Object.entries(PASSING)) {
  Deno.test(`SocketListener goes on when an accept fails with ${error}`, async () => {
    needTools("strace");
    await inFolder(async (folder) => {
      const socket = `${folder}/s.sock`;
      await Deno.writeTextFile(`${folder}/program.ts`, PROGRAM);
      const run = ["run", "-A", "--quiet", "--no-lock", `--config=${project}/deno.json`];
      // Every other one fails.
      const fault = ["-e", "trace=accept4", "-e", `inject=accept4:error=${error}:when=1+2`];
      const process = new Deno.Command("strace", {
        args: [
          ...["-f", "-qqq", "-o", `${folder}/trace`, ...fault],
          ...[Deno.execPath(), ...run, `${folder}/program.ts`, socket],
        ],
        stdin: "piped",
        stdout: "piped",
      }).spawn();
      const exited = process.output();
      let hasExited = false;
      void exited.then(() => void (hasExited = true));
      await until(async () => hasExited || await isServed(socket));
      for (let n = 0; n < 5 && !hasExited; n++) assert.ok(await isServed(socket));
      await process.stdin.close().catch(() => {}); // it may have ended
      const { code, stdout } = await exited;
      assert.equal(code, 0);
      const recovered = JSON.parse(new TextDecoder().decode(stdout));
      assert.deepEqual(Object.keys(recovered), lack === undefined ? [] : [lack]);
      const failures = (await Deno.readTextFile(`${folder}/trace`)).match(/INJECTED/g) ?? [];
      assert.ok(failures.length >= 5, `${failures.length} accepts failed`);
    });
  });
}
