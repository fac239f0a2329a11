/** `evs daemon run`: a daemon in the foreground, for service managers and for debugging. */
import type { EvsContext } from "../cli/context.ts";
import { verb } from "../cli/define.ts";
import { passSignals, statusCode } from "../terminal/signals.ts";
import { type LaunchFlags, launchFlags, launchOptions } from "./flags.ts";
import { startDaemon } from "./process.ts";

export const route = verb<LaunchFlags, []>({
  brief: "Run the daemon in the foreground",
  description:
    "Runs the daemon until it is told to end: Ctrl-C and SIGTERM let it finish what it has in hand. Ends with the daemon's own exit code, and takes it along when it is killed.",
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
