/**
 * Tells the service manager that the daemon serves (sd_notify(3)). This is sent by `evs daemon run`
 * and not by the daemon, which may open no socket but its own (contract row 23).
 */

/** The options of a notification. */
export interface NotifyOptions {
  env: (name: string) => string | undefined;
  /** One line about the daemon, as `systemctl status` shows it. */
  status: string;
  /** Receives why it could not be sent. */
  say: (text: string) => void;
}

/** Sends it where a service manager waits for it. */
export async function notifyReady({ env, status, say }: NotifyOptions): Promise<void> {
  if (!env("NOTIFY_SOCKET")) return;
  try {
    // Deno sends no datagrams to Unix sockets. It returns once the service manager has read it.
    const { success, stderr } = await new Deno.Command("systemd-notify", {
      args: ["--ready", `--status=${status}`],
      stdin: "null",
      stdout: "null",
    }).output();
    if (!success) say(unsent(new TextDecoder().decode(stderr).trim()));
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
    say(unsent("systemd-notify is not installed"));
  }
}

function unsent(reason: string): string {
  return `the service manager (NOTIFY_SOCKET) was not told that the daemon serves: ${reason}`;
}
