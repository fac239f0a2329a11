/**
 * Permissions that a daemon drops once it listens. If it was started with exact flags
 * (core/client/launch.ts), it never had them. A compiled binary has all the permissions it was
 * built with; after this, somebody who exploits a bug in it can start no process and reach no
 * network. Accepting connections needs no permission any more.
 */
import type { DatabaseAccess } from "../core/client/launch.ts";
import { programFolder } from "../core/base/program.ts";
import { PASSWORD_VARIABLE } from "../core/protocol/database_url.ts";
import { folderOf, withRealPaths } from "../core/protocol/paths.ts";

const NEEDLESS = ["run", "ffi", "net", "env"] as const;
/** The driver of a database connects again, and asks for variables each time. */
const NEEDLESS_WITH_DATABASE = ["run", "ffi"] as const;

/**
 * Drops them for good. With a database, a compiled binary keeps the network and the environment; one
 * that was started with exact flags never had more of them than the database's address.
 */
export async function giveUpPermissions({ store }: { store: string }): Promise<void> {
  const variable = PASSWORD_VARIABLE;
  const { state } = await Deno.permissions.query({ name: "env" });
  if (state !== "granted") await Deno.permissions.revoke({ name: "env", variable });
  for (const name of store === "postgres" ? NEEDLESS_WITH_DATABASE : NEEDLESS) {
    const { state } = await Deno.permissions.query({ name });
    if (state === "granted") await Deno.permissions.revoke({ name });
  }
}

/**
 * The flags in force, as the runtime reports them: what was granted in general, and for path
 * permissions whether they hold at that path.
 */
export function permissionsInForce(
  places: {
    dataDir: string;
    socket: string;
    config: string;
    spoolFolder: string;
    /** How a database is reached. */
    database?: Pick<DatabaseAccess, "net" | "socket" | "passfile" | "ca"> | undefined;
  },
): string[] {
  const { dataDir, socket, config, spoolFolder } = places;
  const { net: address, socket: server, passfile, ca } = places.database ?? {};
  const given = (...names: (string | undefined)[]) => names.filter((name) => name !== undefined);
  const spool = spoolFolder === "" ? [] : [spoolFolder];
  const folder = folderOf(socket);
  const granted = (descriptor: Deno.PermissionDescriptor) =>
    Deno.permissions.querySync(descriptor).state === "granted";
  const paths = (name: "read" | "write", all: string[]) => {
    if (granted({ name })) return [`--allow-${name}`];
    const held = withRealPaths(all).filter((path) => granted({ name, path }));
    return held.length > 0 ? [`--allow-${name}=${held.join(",")}`] : [];
  };
  const hosts = [`unix:${socket}`, ...given(address)]
    .filter((host) => granted({ name: "net", host }));
  const net = granted({ name: "net" })
    ? ["--allow-net"]
    : hosts.length > 0
    ? [`--allow-net=${hosts.join(",")}`]
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
    ...paths(
      "read",
      [dataDir, folder, config, programFolder(), ...spool].concat(
        given(server, passfile, ca),
      ),
    ),
    ...paths("write", [dataDir, folder, ...spool, ...given(server)]),
    ...sys,
    ...whole.map((name) => `--allow-${name}`),
  ];
}
