/** What `evs service` asks of a running systemd. */
import { EvsError, ExitCode } from "../../core/base/errors.ts";
import { exists, lstat } from "../../core/base/if_there.ts";
import { shellQuote } from "../../core/base/shell_quote.ts";
import type { EvsContext } from "../cli/context.ts";
import type { Scope } from "./installation.ts";

/** True if the service manager of a scope runs, as sd_booted(3) tells. */
export function hasSystemd(scope: Scope, { env }: Pick<EvsContext, "env">): boolean {
  if (!isSystemdBooted()) return false;
  return scope === "system" || exists(`${env("XDG_RUNTIME_DIR") ?? ""}/systemd/private`);
}

function isSystemdBooted(): boolean {
  return lstat("/run/systemd/system")?.isDirectory === true;
}

/** Throws, with what to type instead, if there is no service manager to start anything. */
export function needSystemd(scope: Scope, context: Pick<EvsContext, "env">): void {
  if (hasSystemd(scope, context)) return;
  const kind = { code: "service/no-systemd", status: 501, exit: ExitCode.CannotStore };
  if (isSystemdBooted()) {
    throw new EvsError(kind, "your own service manager does not run, or not for this session", {
      hint: "loginctl enable-linger; export XDG_RUNTIME_DIR=/run/user/$(id -u); then type it again",
    });
  }
  throw new EvsError(
    kind,
    "systemd does not run this machine, so there is nothing to install a service in",
    {
      hint:
        "evs daemon start runs the daemon until the next boot; a supervisor of your own runs: evs daemon run",
    },
  );
}

/** Throws if the units of a scope are not this user's to change. */
export function needRights(scope: Scope): void {
  if (scope === "user" || Deno.uid() === 0) return;
  throw new EvsError(
    { code: "service/not-root", status: 403, exit: ExitCode.CannotStore },
    "only root can change the services of the machine; nothing was changed",
    { hint: "type it as root, or leave out --system for a service of your own" },
  );
}

/** `systemctl` with the words that choose the service manager. */
export function systemctlWords(scope: Scope): string[] {
  return scope === "user" ? ["systemctl", "--user"] : ["systemctl"];
}

/** Runs a command and says so; throws with its own words if it fails. */
export async function runCommandLine(
  context: EvsContext,
  { words, hint }: { words: readonly string[]; hint: string },
): Promise<void> {
  const line = words.map(shellQuote).join(" ");
  context.say(`runs ${line}`);
  const [program = "", ...args] = words;
  let ended: Deno.CommandOutput;
  try {
    ended = await new Deno.Command(program, { args, stdin: "null" }).output();
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
    throw failed(`${program} is not installed`, hint);
  }
  if (ended.success) return;
  const reason = new TextDecoder().decode(ended.stderr).trim() || `exit code ${ended.code}`;
  throw failed(`${line} failed: ${reason}`, hint);
}

function failed(message: string, hint: string): EvsError {
  return new EvsError(
    { code: "service/failed", status: 500, exit: ExitCode.CannotStore },
    message,
    { hint },
  );
}
