/** Long work in steps: others are served after a few of them, and not after dozens. */
import assert from "node:assert/strict";
import { inTurns } from "../../../core/base/in_turns.ts";
import { inFolder } from "../../helpers/start.ts";

/** Steps before the connection comes, and after it at most. */
const BEFORE = 70;
const MOST = 1000;

/** Synchronous work. */
function work(ms: number): void {
  for (const end = performance.now() + ms; performance.now() < end;);
}

/** How many steps of so many ms a connection waits that comes among them. */
async function stepsUntilAccepted(path: string, ms: number): Promise<number> {
  using listener = Deno.listen({ transport: "unix", path });
  let isAccepted = false;
  const accepted = listener.accept().then((conn) => {
    isAccepted = true;
    conn.close();
  });
  let connected: Promise<Deno.Conn> | undefined;
  let steps = 0;
  await inTurns((function* () {
    for (let n = 0; n < BEFORE; n++) yield work(ms);
    connected = Deno.connect({ transport: "unix", path });
    for (; !isAccepted && steps < MOST; steps++) yield work(ms);
  })());
  (await connected)?.close();
  await accepted;
  return steps;
}

Deno.test("inTurns lets a socket have its turn after few steps, whether they are long or short", async () => {
  await inFolder(async (folder) => {
    for (const ms of [20, 1]) {
      const steps = await stepsUntilAccepted(`${folder}/s${ms}`, ms);
      assert.ok(steps <= 30, `${steps} steps of ${ms} ms`);
    }
  });
});
