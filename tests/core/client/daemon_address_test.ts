/** A client and a daemon that accepts its connections and says nothing, by a clock of the test. */
import assert from "node:assert/strict";
import { NotAnsweringError } from "../../../core/base/errors.ts";
import { Client } from "../../../core/client/client.ts";
import { DaemonAddress } from "../../../core/client/daemon_address.ts";
import { FakeClock } from "../../helpers/fake_clock.ts";
import { inFolder } from "../../helpers/start.ts";

/** What a client is told of a daemon after so many ms at most; undefined: nothing yet. */
async function toldWithin(socket: string, { ms, watch }: { ms: number; watch: boolean }) {
  const clock = new FakeClock();
  const paths = { socket, dataDir: `${socket}.data`, config: "", chosen: "socket" as const };
  using client = new Client({ socket: new DaemonAddress({ paths, clock, watch }) });
  let told: unknown;
  const asked = client.status().catch((error: unknown) => told = error);
  for (let passed = 0; passed < ms && told === undefined; passed += 100) {
    await clock.pass(100);
    // The sockets are real: what they bring takes turns of the event loop.
    await new Promise<void>((resolve) => void setTimeout(resolve, 1));
  }
  client.close();
  const before = told;
  await asked;
  return before;
}

for (const [watch, what] of [[true, "says"], [false, "does not look into it"]] as const) {
  Deno.test(`DaemonAddress ${what} that a daemon does not answer when it is ${watch ? "" : "not "}to watch it`, () =>
    inFolder(async (folder) => {
      const socket = `${folder}/s`;
      const listener = Deno.listen({ transport: "unix", path: socket });
      const accepted: Deno.Conn[] = [];
      const accepting = (async () => {
        for await (const conn of listener) accepted.push(conn);
      })();
      const told = await toldWithin(socket, { ms: 30_000, watch });
      listener.close();
      await accepting;
      for (const conn of accepted) conn.close();
      if (watch) {
        assert.ok(told instanceof NotAnsweringError, String(told));
        assert.match(told.message, /does not answer at /);
      } else assert.equal(told, undefined);
    }));
}
