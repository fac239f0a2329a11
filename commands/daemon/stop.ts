/** `evs daemon stop`: stops the daemon and waits until it is really gone. */
import type { EvsContext } from "../cli/context.ts";
import { verb } from "../cli/define.ts";
import { askToEnd, daemonToEnd, untilEnded } from "./running.ts";

export const route = verb<Record<never, never>, []>({
  brief: "Stop the daemon",
  description:
    "Lets the daemon finish what is in progress, and returns once it is gone. If no daemon is running, that is not an error. It finds the daemon by the lock on the data dir, even if its socket is gone.",
  examples: [["daemon stop", "stop it"]],
  parameters: {},
  needsDaemon: false,
  run: stopDaemon,
});

async function stopDaemon(this: EvsContext): Promise<void> {
  const ending = await daemonToEnd(this);
  if (ending === undefined) {
    if (!this.forPeople) this.printJson({ stopped: false });
    this.say(`no daemon runs at ${this.paths.socket}`);
    return;
  }
  await askToEnd(this, ending);
  await untilEnded(this, ending);
  const { pid } = ending;
  if (!this.forPeople) this.printJson({ stopped: true, pid });
  this.say(`the daemon (pid ${pid}) has stopped`);
}
