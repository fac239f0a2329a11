/** `evs daemon logs`: what the daemon wrote down. */
import { EvsError, ExitCode } from "../../core/errors.ts";
import type { EvsContext } from "../context.ts";
import { count, verb } from "../define.ts";
import { escapeJson } from "../terminal/escape.ts";
import { followLog, lastLines, type LogEnd } from "./log_file.ts";

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
  const end = readEnd(path, flags.lines);
  const decoder = new TextDecoder();
  // On a terminal what could steer it is escaped; elsewhere the bytes are the log's own.
  const show = async (chunk: Uint8Array) => {
    if (!this.stdout.isTerminal) return await this.stdout.write(chunk);
    const text = decoder.decode(chunk, { stream: true });
    await this.stdout.write(text.split("\n").map(escapeJson).join("\n"));
  };
  await show(end.lines);
  if (!flags.follow) return;
  const { signal } = new AbortController();
  for await (const chunk of followLog(path, { from: end.size, signal })) await show(chunk);
}

function readEnd(path: string, lines: number): LogEnd {
  try {
    return lastLines(path, lines);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
    throw new EvsError(
      { code: "log/not-found", status: 404, exit: ExitCode.NotFound },
      `there is no log at ${path}`,
      { hint: "evs daemon start", cause: error },
    );
  }
}
