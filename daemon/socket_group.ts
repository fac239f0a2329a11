/**
 * A group that may use the socket (`socket_group`): the socket is 0660 and the group's, in a folder
 * that the group may enter. Everything else stays the owner's alone (contract row 21).
 */
import { InvalidArgumentError, SocketError } from "../core/base/errors.ts";
import { socketLockFile } from "../core/protocol/holder.ts";
import type { Config } from "./config.ts";

/** A group by name and number. */
export interface SocketGroup {
  name: string;
  gid: number;
}

/**
 * The group from the configuration; undefined if only the owner has access. `socketGid` is its
 * number, from the command that starts the daemon. Throws if there is no such group.
 */
export function socketGroupOf(
  { socketGroup: name }: Pick<Config, "socketGroup">,
  { socketGid: gid, config }: { socketGid: number | undefined; config: string },
): SocketGroup | undefined {
  if (name === "") return undefined;
  if (gid !== undefined) return { name, gid };
  throw new InvalidArgumentError(
    `${config}: socket_group is ${JSON.stringify(name)}, and there is no such group`,
    {
      code: "config/unknown-group",
      hint: "getent group lists them; as root: groupadd --system NAME",
      details: { group: name },
    },
  );
}

/** Makes a file the group's. Throws if this user may not. */
export function giveToGroup(path: string, { name, gid }: SocketGroup): void {
  try {
    if (Deno.statSync(path).gid !== gid) Deno.chownSync(path, null, gid);
  } catch (error) {
    if (!(error instanceof Deno.errors.PermissionDenied)) throw error;
    throw new SocketError(
      "socket/unsafe",
      `the daemon's user is not a member of the group ${name}, so it cannot give it ${path}`,
      { hint: `as root: usermod -aG ${name} USER, then log in again`, cause: error },
    );
  }
}

const GROUP_ENTERS = 0o010;
const OTHERS_ENTER = 0o001;

/**
 * Lets the group into the socket's folder. A folder that has nothing but the socket is made 0750
 * and the group's; any other is left as it is, and refused if the group cannot enter it.
 */
export function letGroupEnter(
  folder: string,
  { socket, group }: { socket: string; group: SocketGroup },
): void {
  const { uid, gid, mode } = Deno.statSync(folder);
  if (uid === Deno.uid() && hasOnly(folder, [socket, socketLockFile(socket)])) {
    giveToGroup(folder, group);
    Deno.chmodSync(folder, 0o750);
    return;
  }
  const entering = gid === group.gid ? GROUP_ENTERS : OTHERS_ENTER;
  if (((mode ?? 0) & entering) !== 0) return;
  throw new SocketError(
    "socket/unsafe",
    `the group ${group.name} cannot reach a socket in ${folder}, which has other files, too`,
    { hint: "set EVS_SOCKET to a path in a folder of its own, such as /run/evs/evs.sock" },
  );
}

function hasOnly(folder: string, paths: readonly string[]): boolean {
  return [...Deno.readDirSync(folder)].every(({ name }) => paths.includes(`${folder}/${name}`));
}
