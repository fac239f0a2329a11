/** `evs daemon logs`: what the daemon wrote down. */
import { EvsError, ExitCode } from "../../core/errors.ts";
import type { EvsContext } from "../context.ts";
import { count, verb } from "../define.ts";
import { escapeJson } from "../terminal/escape.ts";
import { followLog, lastLines } from "./log_file.ts";

type LogsFlags = { lines: number; follow: boolean };

export const logs = verb<LogsFlags, []>({
  brief: "Show the daemon's log",
  description:
    "Prints the end of the daemon's log, one line of JSON for each entry; -f goes on as it grows. The daemon need not run.",
  examples: [
    ["daemon logs", "the last 50 entries"],
    ["daemon logs -n 500 -f | jq 'select(.level==\"error\")'", "errors as they come"],
  ],
  parameters: {
    flags: {
      lines: {
        kind: "parsed",
        parse: count,
        brief: "So many entries from the end",
        placeholder: "N",
        default: "50",
      },
      follow: { kind: "boolean", brief: "Go on as it grows", default: false },
    },
    aliases: { n: "lines", f: "follow" },
  },
  run: showLogs,
});

async function showLogs(this: EvsContext, flags: LogsFlags): Promise<void> {
  const path = `${this.paths.dataDir}/log/daemon.log`;
  try {
    await print(this, lastLines(path, flags.lines));
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
    throw new EvsError(
      { code: "log/not-found", status: 404, exit: ExitCode.NotFound },
      `there is no log at ${path}`,
      { hint: "evs daemon start", cause: error },
    );
  }
  if (!flags.follow) return;
  const { signal } = new AbortController();
  for await (const chunk of followLog(path, { signal })) await print(this, chunk);
}

async function print(context: EvsContext, chunk: Uint8Array): Promise<void> {
  if (!context.stdout.isTerminal) return await context.stdout.write(chunk);
  const text = new TextDecoder().decode(chunk);
  await context.stdout.write(text.split("\n").map(escapeJson).join("\n"));
}
