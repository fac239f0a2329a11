/**
 * Permissions that a daemon gives up once it listens. Where it was started with exact flags
 * (core/client/launch.ts) it never had them; a compiled binary has everything that it was built
 * with, and whoever finds a hole in it then finds no process to start and nobody to talk to.
 * Accepting connections needs no permission any more.
 */
import { folderOf, withRealPaths } from "../core/protocol/paths.ts";

const NEEDLESS = ["run", "ffi", "net", "env"] as const;

/** Gives them up, for good. */
export async function giveUpPermissions(): Promise<void> {
  for (const name of NEEDLESS) {
    const { state } = await Deno.permissions.query({ name });
    if (state === "granted") await Deno.permissions.revoke({ name });
  }
}

/**
 * The flags in force, as the runtime itself answers for each: what was granted for everything, and
 * of what was granted for a path whether it holds there.
 */
export function permissionsInForce(
  places: { dataDir: string; socket: string; config: string },
): string[] {
  const { dataDir, socket, config } = places;
  const folder = folderOf(socket);
  const source = decodeURIComponent(new URL("../", import.meta.url).pathname).replace(/\/$/, "");
  const granted = (descriptor: Deno.PermissionDescriptor) =>
    Deno.permissions.querySync(descriptor).state === "granted";
  const paths = (name: "read" | "write", all: string[]) => {
    if (granted({ name })) return [`--allow-${name}`];
    const held = withRealPaths(all).filter((path) => granted({ name, path }));
    return held.length > 0 ? [`--allow-${name}=${held.join(",")}`] : [];
  };
  const net = granted({ name: "net" })
    ? ["--allow-net"]
    : granted({ name: "net", host: `unix:${socket}` })
    ? [`--allow-net=unix:${socket}`]
    : [];
  const whole = (["run", "ffi", "env", "import"] as const).filter((name) => granted({ name }));
  const sys = granted({ name: "sys" })
    ? ["--allow-sys"]
    : granted({ name: "sys", kind: "uid" })
    ? ["--allow-sys=uid"]
    : [];
  return [
    ...net,
    ...paths("read", [dataDir, folder, config, source]),
    ...paths("write", [dataDir, folder]),
    ...sys,
    ...whole.map((name) => `--allow-${name}`),
  ];
}
