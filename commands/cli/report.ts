/**
 * Reports the error that ends a command: a message on stderr (a JSON object with `--json`) and an
 * exit code. Values in messages come from events and other people's files, so everything is
 * escaped.
 */
import { defined } from "../../core/base/defined.ts";
import { EvsError, ExitCode } from "../../core/base/errors.ts";
import { missingPackage } from "../../core/base/missing_package.ts";
import { osError } from "../../core/base/os_error.ts";
import { shellQuote } from "../../core/base/shell_quote.ts";
import { readCommonOptions } from "./arguments.ts";
import { EvsContext } from "./context.ts";
import { escapeJson, escapeLines } from "../terminal/escape.ts";
import { ClosedPipe } from "../terminal/output.ts";

/**
 * The exit code of `evs check` when it could not check: any other code would say something about
 * the daemon.
 */
export const CHECK_UNKNOWN = 3;

/** Reports an error and returns its exit code. A closed pipe is not an error. */
export function reportError(context: EvsContext, error: unknown): number {
  if (error instanceof ClosedPipe) return ExitCode.Ok;
  const known = error instanceof EvsError ? error : foreignError(error);
  if (known !== undefined) {
    context.stderr.writeSync(formatError(context, known));
    if (context.verbose && known !== error) context.say((error as Error).stack ?? "");
    return known.exit;
  }
  const message = error instanceof Error ? error.stack ?? error.message : String(error);
  context.stderr.writeSync(
    formatError(
      context,
      new EvsError(
        { code: "internal/bug", status: 500, exit: ExitCode.Bug },
        `this is a bug in evs: ${message}`,
      ),
    ),
  );
  return ExitCode.Bug;
}

/** Reports an error from before there was a context, and returns its exit code. */
export function report(argv: readonly string[], error: unknown): number {
  const code = reportError(new EvsContext({ argv, options: readCommonOptions(argv) }), error);
  return argv[0] === "check" ? CHECK_UNKNOWN : code;
}

/** Turns an error of the operating system or the runtime into one of ours. */
function foreignError(error: unknown): EvsError | undefined {
  return (error instanceof TypeError ? missingPackage(error.message) : undefined) ?? osError(error);
}

/** Formats the error. */
export function formatError(
  context: Pick<EvsContext, "json" | "paintWords" | "places" | "contextGiven">,
  error: EvsError,
): string {
  const hint = hintFor(context, error);
  if (context.json) {
    return escapeJson(JSON.stringify({ error: defined({ ...error.toBody(), hint }) })) + "\n";
  }
  const paint = context.paintWords;
  const lines = [`${paint.red("evs:")} ${escapeLines(error.message)}`];
  for (const fault of untoldFaults(error)) {
    lines.push(
      `  ${escapeLines(fault.pointer === "" ? "(the whole payload)" : fault.pointer)}: ${
        escapeLines(fault.message)
      }`,
    );
  }
  if (hint !== undefined) {
    // One line, because this is the error that everybody sees first.
    if (error.code === NOT_RUNNING) lines[0] += `; start one: ${paint.bold(escapeLines(hint))}`;
    // A hint that is a question is not a command to type.
    else if (hint.endsWith("?")) lines.push(`  ${escapeLines(hint)}`);
    else lines.push(`  ${paint.dim("try:")} ${escapeLines(hint)}`);
  }
  return lines.join("\n") + "\n";
}

const NOT_RUNNING = "daemon/not-running";

/** The hint; what starts a daemon says where, as the command line did. */
function hintFor(
  { places = {}, contextGiven }: Pick<EvsContext, "places" | "contextGiven">,
  { code, hint }: EvsError,
): string | undefined {
  if (code !== NOT_RUNNING || hint === undefined) return hint;
  const flags = {
    "--socket": places.EVS_SOCKET,
    "--data-dir": places.EVS_DATA_DIR,
    "--config": places.EVS_CONFIG,
    "--context": contextGiven,
  };
  const given = Object.entries(flags)
    .map(([flag, value]) => value === undefined ? "" : ` ${flag} ${shellQuote(value)}`);
  return hint + given.join("");
}

/** Schema faults, each with its JSON pointer; none if the message has named them all. */
function untoldFaults(error: EvsError): { pointer: string; message: string }[] {
  const faults = error.details?.["faults"];
  if (!Array.isArray(faults)) return [];
  const readable = faults.filter((fault) =>
    typeof fault?.pointer === "string" && typeof fault.message === "string"
  );
  const told = readable.every(({ pointer, message }) =>
    error.message.includes(`${pointer} ${message}`)
  );
  return told ? [] : readable;
}
