/** The listening socket, when the daemon stops: whoever waits in its queue is accepted. */
import assert from "node:assert/strict";
import { type Clock, systemClock } from "../../../core/base/clock.ts";
import { SocketListener } from "../../../daemon/http/listener.ts";
import { inFolder } from "../../helpers/start.ts";

/**
 * The clock of a process that gets little of the processor: each of its first timers is late, and
 * fires before anything is seen that has arrived meanwhile.
 */
function lateClock(timers: number): Clock {
  let passed = 0;
  let left = timers;
  return {
    ...systemClock,
    monotonic: () => systemClock.monotonic() + passed,
    setTimer(callback, ms) {
      if (left-- <= 0) return systemClock.setTimer(callback, ms);
      passed += 100;
      queueMicrotask(callback);
      return () => {};
    },
  };
}

const COUNT = 5;
/** Connects, and leaves. */
const CONNECT = `const [path, count] = Deno.args;
for (let n = 0; n < count; n++) await Deno.connect({ transport: "unix", path });`;

Deno.test("SocketListener.close accepts all that wait in its queue when its timers are late", () =>
  inFolder(async (folder) => {
    const socket = `${folder}/evs.sock`;
    const accepted: Deno.Conn[] = [];
    const listener = new SocketListener({
      socket,
      clock: lateClock(20),
      protect: () => {},
      remove: () => Deno.removeSync(socket),
      connection: (conn) => void accepted.push(conn),
      recovered: () => {},
      failed: (error) => assert.fail(error as Error),
    });
    listener.listen();
    // While this process waits for another one, nothing is accepted.
    const { success } = new Deno.Command(Deno.execPath(), {
      args: ["eval", "--quiet", CONNECT, socket, String(COUNT)],
      stderr: "inherit",
    }).outputSync();
    assert.ok(success && accepted.length === 0);
    await listener.close();
    assert.equal(accepted.length, COUNT);
    for (const conn of accepted) conn.close();
  }));
