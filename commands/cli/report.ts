/**
 * How an error ends a command: words on stderr (a JSON object with `--json`) and an exit code.
 * Values in messages come from events and other people's files, so all of it is escaped.
 */
import { EvsError, ExitCode } from "../../core/base/errors.ts";
import { missingPackage } from "../../core/base/missing_package.ts";
import { osError } from "../../core/base/os_error.ts";
import { readCommonOptions } from "./arguments.ts";
import { EvsContext } from "./context.ts";
import { escapeJson, escapeLines } from "../terminal/escape.ts";
import { ClosedPipe } from "../terminal/output.ts";

/** How `evs check` ends when it could not look: any other code says something of the daemon. */
export const CHECK_UNKNOWN = 3;

/** Says what went wrong and returns the exit code for it. A closed pipe is no error. */
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

/** Tells an error that was met before there was a context, and returns the exit code. */
export function report(argv: readonly string[], error: unknown): number {
  const code = reportError(new EvsContext({ argv, options: readCommonOptions(argv) }), error);
  return argv[0] === "check" ? CHECK_UNKNOWN : code;
}

/** What the system or the runtime refused, in words. */
function foreignError(error: unknown): EvsError | undefined {
  return (error instanceof TypeError ? missingPackage(error.message) : undefined) ?? osError(error);
}

/** The error as it is shown. */
export function formatError(
  context: Pick<EvsContext, "json" | "paintWords">,
  error: EvsError,
): string {
  if (context.json) return escapeJson(JSON.stringify({ error: error.toBody() })) + "\n";
  const paint = context.paintWords;
  const lines = [`${paint.red("evs:")} ${escapeLines(error.message)}`];
  for (const fault of untoldFaults(error)) {
    lines.push(
      `  ${escapeLines(fault.pointer === "" ? "(the whole payload)" : fault.pointer)}: ${
        escapeLines(fault.message)
      }`,
    );
  }
  if (error.hint !== undefined) {
    // One line where nothing runs: it is the error that everybody meets first.
    if (error.code === "daemon/not-running") lines[0] += `; start one: ${paint.bold(error.hint)}`;
    // A question is nothing to type.
    else if (error.hint.endsWith("?")) lines.push(`  ${escapeLines(error.hint)}`);
    else lines.push(`  ${paint.dim("try:")} ${escapeLines(error.hint)}`);
  }
  return lines.join("\n") + "\n";
}

/** Schema faults, each by its JSON pointer; none where the message has named them all. */
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
