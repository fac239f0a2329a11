/** `evs daemon run`: a daemon in the foreground, for service managers and for debugging. */
import type { EvsContext } from "../cli/context.ts";
import { verb } from "../cli/define.ts";
import { passSignals, statusCode } from "../terminal/signals.ts";
import { type LaunchFlags, launchFlags, launchOptions } from "./flags.ts";
import { notifyReady } from "./notify.ts";
import { startDaemon } from "./process.ts";

export const route = verb<LaunchFlags, []>({
  brief: "Run the daemon in the foreground",
  description:
    "Runs the daemon until Ctrl-C or SIGTERM, which let it finish what is in progress. Tells systemd when it serves (Type=notify; evs service makes units). Exits with the daemon's exit code; if this command is killed, the daemon ends, too.",
  examples: [["daemon run", "for systemd, containers, or a terminal of its own"]],
  parameters: { flags: launchFlags },
  needsDaemon: false,
  run: runInForeground,
});

async function runInForeground(this: EvsContext, flags: LaunchFlags): Promise<void> {
  const abort = new AbortController();
  let forward = (signal: Deno.Signal) => abort.abort(new Error(`ended by ${signal}`));
  const stop = passSignals((signal) => forward(signal));
  try {
    const launch = { ...launchOptions(this.paths, flags), untilStdinCloses: true };
    const { child, drained, pid, socket } = await startDaemon({
      launch,
      say: (text) => this.say(text),
      stderr: (chunk) => this.passWords(chunk),
    });
    // It has its own session: each signal reaches it once, through this process.
    forward = () => kill(child, "SIGTERM");
    if (abort.signal.aborted) kill(child, "SIGTERM");
    if (!this.forPeople) this.printJson({ ready: true, pid, socket });
    this.say(`the daemon serves (pid ${pid}) at ${socket}; data in ${launch.dataDir}`);
    await notifyReady({
      env: this.env,
      status: `pid ${pid} serves at ${socket}`,
      say: (text) => this.say(text),
    });
    this.exitCode = statusCode(await child.status);
    await drained;
  } finally {
    stop();
  }
}

function kill(child: Deno.ChildProcess, signal: Deno.Signal): void {
  try {
    child.kill(signal);
  } catch (error) {
    // It has already ended.
    if (!(error instanceof TypeError)) throw error;
  }
}
