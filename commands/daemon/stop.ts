/** `evs daemon stop`: ends the daemon and waits until it is really gone. */
import { TimeoutError } from "../../core/base/errors.ts";
import type { Clock } from "../../core/base/clock.ts";
import { isGone } from "../../core/client/consumer/port.ts";
import type { EvsContext } from "../cli/context.ts";
import { verb } from "../cli/define.ts";
import { runningDaemon } from "./start.ts";

export const route = verb<Record<never, never>, []>({
  brief: "Stop the daemon",
  description:
    "Lets the daemon finish what it has in hand, and comes back when it is gone. Where none runs, that is no error.",
  examples: [["daemon stop", "stop it"]],
  parameters: {},
  run: stopDaemon,
});

/** A daemon drains within 5 s; after this it hangs, ms. */
const DEADLINE_MS = 10_000;
const POLL_MS = 10;

async function stopDaemon(this: EvsContext): Promise<void> {
  const running = await runningDaemon(this);
  if (running === undefined) {
    if (!this.forPeople) this.printJson({ stopped: false });
    this.say(`no daemon runs at ${this.paths.socket}`);
    return;
  }
  const { pid, dataDir } = running;
  const client = await this.client();
  try {
    await (await client.fetch({ method: "POST", path: "/v1/shutdown" })).bytes();
  } catch (error) {
    // It may be gone before it has answered; whether it is, is looked at below.
    if (!isGone(error)) throw error;
  }
  client.close();
  await untilUnlocked(dataDir, { pid, clock: this.clock });
  if (!this.forPeople) this.printJson({ stopped: true, pid });
  this.say(`the daemon (pid ${pid}) has stopped`);
}

/** Waits until the kernel has taken the lock on the data dir back: then the process is gone, and all is on disk. */
async function untilUnlocked(
  dataDir: string,
  options: { pid: number; clock: Clock },
): Promise<void> {
  const { pid, clock } = options;
  const deadline = clock.monotonic() + DEADLINE_MS;
  while (!isUnlocked(dataDir)) {
    if (clock.monotonic() > deadline) {
      throw new TimeoutError(`the daemon (pid ${pid}) has not ended within 10 s`, {
        hint: `evs daemon logs -n 20; kill -9 ${pid} loses nothing that was acknowledged`,
      });
    }
    await new Promise<void>((resolve) => void clock.setTimer(resolve, POLL_MS));
  }
}

/** True when no daemon holds the data dir. A shared lock: two of these never refuse one another. */
function isUnlocked(dataDir: string): boolean {
  let dir: Deno.FsFile;
  try {
    dir = Deno.openSync(dataDir, { read: true });
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return true;
    throw error;
  }
  try {
    return dir.tryLockSync(false);
  } finally {
    dir.close();
  }
}
