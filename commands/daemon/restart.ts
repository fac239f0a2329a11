/** `evs daemon restart`: replaces the running daemon with a new one. */
import { ConflictError } from "../../core/base/errors.ts";
import type { Holder } from "../../core/protocol/holder.ts";
import { folderOf, SYSTEM_SOCKET } from "../../core/protocol/paths.ts";
import type { LaunchOptions } from "../../core/client/launch.ts";
import type { EvsContext } from "../cli/context.ts";
import { verb } from "../cli/define.ts";
import { type LaunchFlags, launchFlags, launchOptions } from "./flags.ts";
import { startDaemon } from "./process.ts";
import { askToEnd, daemonToEnd } from "./running.ts";
import { startOrFind } from "./start.ts";

export const route = verb<LaunchFlags, []>({
  brief: "Replace the daemon with a new one",
  description:
    "Starts a new daemon, which reads its configuration, lets the old one finish and takes its place, with the same socket and the same flags. Clients wait for the new daemon meanwhile. If it cannot start, the old one continues. If no daemon is running, one is started.",
  examples: [
    ["daemon restart", "apply a changed config file, or a new version"],
    ["daemon restart --durability always", "the same with another durability"],
  ],
  parameters: { flags: launchFlags },
  needsDaemon: false,
  run: restartDaemon,
});

async function restartDaemon(this: EvsContext, flags: LaunchFlags): Promise<void> {
  const old = await daemonToEnd(this);
  const holder = old?.held?.holder;
  const launch = old === undefined
    ? launchOptions(this.paths, flags)
    : relaunch(this, { flags, holder });
  const started = old === undefined ? await startOrFind(this, launch) : await startDaemon({
    launch,
    say: (text) => this.say(text),
    waiting: () => askToEnd(this, old),
  });
  const { pid, socket } = "running" in started ? started.running : started;
  if ("child" in started) started.child.unref();
  const { dataDir } = launch;
  if (!this.forPeople) {
    const restarted = old !== undefined;
    this.printJson({ restarted, pid, previousPid: old?.pid, socket, dataDir });
  }
  this.say(
    old === undefined
      ? `no daemon ran; one serves now (pid ${pid}) at ${socket}; data in ${dataDir}`
      : `the daemon serves anew (pid ${pid}, before ${old.pid}) at ${socket}; data in ${dataDir}`,
  );
}

/** With the same settings as before, unless others are given. */
function relaunch(
  context: EvsContext,
  { flags, holder }: { flags: LaunchFlags; holder: Holder | undefined },
): LaunchOptions {
  const asked = launchOptions(context.paths, flags);
  if (holder === undefined) return { ...asked, takeOver: true };
  if (holder.foreground) {
    throw new ConflictError(
      `the daemon (pid ${holder.pid}) belongs to the process that runs it (evs daemon run, a service manager)`,
      {
        code: "daemon/foreground",
        hint: `restart it there, as in: systemctl ${
          holder.socket === SYSTEM_SOCKET ? "" : "--user "
        }restart evs`,
        details: { pid: holder.pid },
      },
    );
  }
  const { dataDir, store, durability } = holder;
  // If the folder of its socket is gone for good, like a runtime folder after logout, the new
  // daemon listens elsewhere.
  const stays = context.paths.chosen !== "socket" && isFolder(folderOf(holder.socket));
  const socket = stays ? holder.socket : context.paths.socket;
  const config = context.env("EVS_CONFIG") ? context.paths.config : holder.config;
  const given = { ...(store && { store }), ...(durability && { durability }) };
  return { ...given, ...asked, dataDir, socket, config, takeOver: true };
}

function isFolder(path: string): boolean {
  try {
    return Deno.statSync(path).isDirectory;
  } catch {
    // Missing or not accessible.
    return false;
  }
}
