/** `evs daemon start`: a daemon in the background. */
import { holding } from "../../core/client/daemon_process.ts";
import type { LaunchOptions } from "../../core/client/launch.ts";
import { isDatabaseUrl } from "../../core/protocol/database_url.ts";
import type { StatusReply } from "../../core/protocol/status.ts";
import { parseDurability } from "../../core/event/durability.ts";
import type { EvsContext } from "../cli/context.ts";
import { verb } from "../cli/define.ts";
import { type LaunchFlags, launchFlags, launchOptions } from "./flags.ts";
import { startDaemon, type StartedDaemon } from "./process.ts";
import { ownPaths, runningDaemon } from "./running.ts";

/** How many attempts to make if somebody else was first. */
const ATTEMPTS = 3;

export const route = verb<LaunchFlags, []>({
  brief: "Start the daemon in the background",
  description:
    "Starts the daemon and returns once it is ready. If one is already running, that is not an error. If one is stopping, waits for it first.",
  examples: [
    ["daemon start", "start it"],
    ["daemon start --durability interval:50ms", "faster, and a power cut may cost the last 50 ms"],
  ],
  parameters: { flags: launchFlags },
  needsDaemon: false,
  run: startInBackground,
});

async function startInBackground(this: EvsContext, flags: LaunchFlags): Promise<void> {
  const launch = launchOptions(this.paths, flags);
  const started = await startOrFind(this, launch);
  if ("running" in started) {
    const { pid, socket, dataDir } = started.running;
    if (!this.forPeople) this.printJson({ started: false, pid, socket, dataDir });
    this.say(`the daemon runs already (pid ${pid}) at ${socket}`);
    for (const words of notTaken(flags, started.running)) this.say(words);
    return;
  }
  const { child, pid, socket } = started;
  child.unref();
  if (!this.forPeople) this.printJson({ started: true, pid, socket, dataDir: launch.dataDir });
  this.say(`the daemon serves (pid ${pid}) at ${socket}; data in ${launch.dataDir}`);
}

/** Starts a daemon if none is running. Waits for one that is stopping. */
export async function startOrFind(
  context: EvsContext,
  launch: LaunchOptions,
): Promise<StartedDaemon | { running: StatusReply }> {
  for (let attempt = 1;; attempt++) {
    const running = await runningDaemon(context);
    if (running !== undefined) return { running };
    try {
      return await startDaemon({ launch, say: (text) => context.say(text) });
    } catch (error) {
      // Somebody else may have been first: their daemon will be ready in a moment.
      if (attempt === ATTEMPTS || holding(ownPaths(context)) === undefined) throw error;
    }
  }
}

/**
 * Each flag that the running daemon was not started with. Pure. Throws if a durability is invalid.
 */
export function notTaken(
  { store, durability }: LaunchFlags,
  running: Pick<StatusReply, "store" | "durability">,
): string[] {
  const asked = {
    store: store !== undefined && isDatabaseUrl(store) ? "postgres" : store,
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
