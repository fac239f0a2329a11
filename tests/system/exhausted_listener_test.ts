/**
 * Contract row 17: a listener that has run out of descriptors accepts those that wait as soon as one
 * is free, in a process that may open only a few.
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
let recovered = 0;
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
  recovered: () => void recovered++,
  failed(error) {
    console.error(error);
    Deno.exit(1);
  },
});
listener.listen();
await Deno.stdin.read(new Uint8Array(1));
await listener.close();
console.log(recovered);
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
    assert.ok(Number(new TextDecoder().decode(stdout)) > 0, "and it says that it had run out");
  });
});
