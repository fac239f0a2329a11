/** `evs daemon start`: a daemon in the background. */
import { NoDaemonError } from "../../core/base/errors.ts";
import type { StatusReply } from "../../core/protocol/protocol.ts";
import { parseDurability } from "../../core/event/durability.ts";
import type { EvsContext } from "../cli/context.ts";
import { verb } from "../cli/define.ts";
import { type LaunchFlags, launchFlags, launchOptions } from "./flags.ts";
import { startDaemon } from "./process.ts";

export const route = verb<LaunchFlags, []>({
  brief: "Start the daemon in the background",
  description:
    "Starts the daemon and comes back when it serves. One that runs already is left alone, and that is no error.",
  examples: [
    ["daemon start", "start it"],
    ["daemon start --durability interval:50ms", "faster, and a power cut may cost the last 50 ms"],
  ],
  parameters: { flags: launchFlags },
  run: startInBackground,
});

async function startInBackground(this: EvsContext, flags: LaunchFlags): Promise<void> {
  const running = await runningDaemon(this);
  if (running !== undefined) {
    const { pid, socket, dataDir } = running;
    if (!this.forPeople) this.printJson({ started: false, pid, socket, dataDir });
    this.say(`the daemon runs already (pid ${pid}) at ${socket}`);
    for (const words of notTaken(flags, running)) this.say(words);
    return;
  }
  const launch = launchOptions(this.paths, flags);
  const { child, pid, socket } = await startDaemon({ launch, say: (text) => this.say(text) });
  child.unref();
  if (!this.forPeople) this.printJson({ started: true, pid, socket, dataDir: launch.dataDir });
  this.say(`the daemon serves (pid ${pid}) at ${socket}; data in ${launch.dataDir}`);
}

/** Each flag that the daemon which runs already was not started with. Pure. Throws where a durability is none. */
export function notTaken(
  { store, durability }: LaunchFlags,
  running: Pick<StatusReply, "store" | "durability">,
): string[] {
  const asked = {
    store,
    durability: durability === undefined ? undefined : parseDurability(durability),
  };
  return (["store", "durability"] as const)
    .filter((name) => asked[name] !== undefined && asked[name] !== running[name])
    .map((name) =>
      `--${name} ${asked[name]} was not taken over: it runs with ${
        running[name]
      }; evs daemon stop ends it`
    );
}

/** The daemon that answers at the socket, if one does. */
export async function runningDaemon(context: EvsContext): Promise<StatusReply | undefined> {
  try {
    return await (await context.client()).status();
  } catch (error) {
    if (error instanceof NoDaemonError) return undefined;
    throw error;
  }
}
