/**
 * Permissions that a daemon gives up once it listens. Where it was started with exact flags (core/client/launch.ts) it
 * never had them; a compiled binary has everything that it was built with, and whoever finds a hole in it then finds no
 * process to start and nobody to talk to. Accepting connections needs no permission any more.
 */

const NEEDLESS = ["run", "ffi", "net", "env"] as const;

/** Gives them up, for good. */
export async function giveUpPermissions(): Promise<void> {
  for (const name of NEEDLESS) {
    const { state } = await Deno.permissions.query({ name });
    if (state === "granted") await Deno.permissions.revoke({ name });
  }
}
