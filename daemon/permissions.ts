/**
 * Permissions that a daemon drops once it listens. If it was started with exact flags
 * (core/client/launch.ts), it never had them. A compiled binary has all the permissions it was
 * built with; after this, somebody who exploits a bug in it can start no process and reach no
 * network. Accepting connections needs no permission any more.
 */
import { programFolder } from "../core/base/program.ts";
import { folderOf, withRealPaths } from "../core/protocol/paths.ts";

const NEEDLESS = ["run", "ffi", "net", "env"] as const;

/** Drops them for good. */
export async function giveUpPermissions(): Promise<void> {
  for (const name of NEEDLESS) {
    const { state } = await Deno.permissions.query({ name });
    if (state === "granted") await Deno.permissions.revoke({ name });
  }
}

/**
 * The flags in force, as the runtime reports them: what was granted in general, and for path
 * permissions whether they hold at that path.
 */
export function permissionsInForce(
  places: { dataDir: string; socket: string; config: string; spoolFolder: string },
): string[] {
  const { dataDir, socket, config, spoolFolder } = places;
  const spool = spoolFolder === "" ? [] : [spoolFolder];
  const folder = folderOf(socket);
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
  const kinds = (["uid", "statfs"] as const).filter((kind) => granted({ name: "sys", kind }));
  const sys = granted({ name: "sys" })
    ? ["--allow-sys"]
    : kinds.length > 0
    ? [`--allow-sys=${kinds.join(",")}`]
    : [];
  return [
    ...net,
    ...paths("read", [dataDir, folder, config, programFolder(), ...spool]),
    ...paths("write", [dataDir, folder, ...spool]),
    ...sys,
    ...whole.map((name) => `--allow-${name}`),
  ];
}
