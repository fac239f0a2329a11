/** `evs daemon logs`: shows the daemon's log. */
import { EvsError, ExitCode } from "../../core/base/errors.ts";
import type { EvsContext } from "../cli/context.ts";
import { count, verb } from "../cli/define.ts";
import { load } from "../cli/lazy.ts";
import { escapeJson } from "../terminal/escape.ts";
import { followLog, lastLines, type LogEnd } from "./log_file.ts";

type LogsFlags = { lines: number; follow: boolean };

export const route = verb<LogsFlags, []>({
  brief: "Show the daemon's log",
  description:
    "Prints the end of the daemon's log: formatted on a terminal, one line of JSON per entry elsewhere and with --json. -f follows the log. The daemon need not be running.",
  examples: [
    ["daemon logs", "the last 50 entries"],
    ["daemon logs -n 500 -f | jq 'select(.level==\"error\")'", "errors as they occur"],
  ],
  parameters: {
    flags: {
      lines: {
        kind: "parsed",
        parse: count,
        brief: "Show the last N entries",
        placeholder: "N",
        default: "50",
      },
      follow: { kind: "boolean", brief: "Follow the log", default: false },
    },
    aliases: { n: "lines", f: "follow" },
  },
  needsDaemon: false,
  run: showLogs,
});

async function showLogs(this: EvsContext, flags: LogsFlags): Promise<void> {
  const path = `${this.paths.dataDir}/log/daemon.log`;
  const end = readEnd(path, flags.lines);
  const show = await shower(this);
  await show(end.lines, { last: !flags.follow });
  if (!flags.follow) return;
  const { signal } = new AbortController();
  for await (const chunk of followLog(path, { from: end.size, signal })) await show(chunk);
}

/** Shows a piece of the log. `last`: nothing more follows. */
type Show = (chunk: Uint8Array, about?: { last: boolean }) => Promise<void>;

/** Formatted on a terminal; unchanged elsewhere. */
async function shower(context: EvsContext): Promise<Show> {
  if (!context.stdout.isTerminal) return async (chunk) => await context.stdout.write(chunk);
  const format = context.json ? escapeJson : await entryFormat(context);
  const decoder = new TextDecoder();
  let rest = "";
  return async (chunk, { last } = { last: false }) => {
    // An entry may be split over two pieces.
    const lines = (rest + decoder.decode(chunk, { stream: true })).split("\n");
    rest = lines.pop()!;
    if (last && rest !== "") lines.push(rest);
    if (lines.length > 0) await context.stdout.write(`${lines.map(format).join("\n")}\n`);
  };
}

async function entryFormat({ paint }: EvsContext): Promise<(line: string) => string> {
  const { formatEntry } = await load<typeof import("./log_entry.ts")>("./daemon/log_entry.ts");
  return (line) => formatEntry(line, paint);
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
