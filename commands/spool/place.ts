/**
 * Where the spool of a daemon is. Nobody can be asked, because the spool is for when no daemon
 * answers: it follows from what says where the daemon is.
 */
import { lstat } from "../../core/base/if_there.ts";
import { holderFile, readHolder, socketLockFile } from "../../core/protocol/holder.ts";
import {
  type Paths,
  SYSTEM_CONFIG,
  SYSTEM_DATA_DIR,
  SYSTEM_SOCKET,
} from "../../core/protocol/paths.ts";
import { SPOOL_FOLDER } from "../../core/spool/spool_folder.ts";
import { type SpoolSettings, spoolSettings } from "./settings.ts";

/** The spool of one daemon. */
export interface SpoolPlace extends SpoolSettings {
  /** Where new files go. */
  folder: string;
  /** The config names it, so it is not in the data dir. */
  isNamed: boolean;
  /** Every folder that the daemon takes in. */
  folders: string[];
  /** The daemon's. */
  dataDir: string;
}

/** What says where the daemon is. */
export interface PlaceContext {
  paths: Paths;
  env: (name: string) => string | undefined;
}

/** The spool of the daemon that these paths mean. */
export async function spoolPlace({ paths, env }: PlaceContext): Promise<SpoolPlace> {
  const { chosen, socket, dataDir } = paths;
  const system = { dataDir: SYSTEM_DATA_DIR, config: SYSTEM_CONFIG };
  if (chosen === "socket" && !env("EVS_DATA_DIR")) {
    const holder = trustedHolder(socket);
    return await placeOf(holder ?? (socket === SYSTEM_SOCKET ? system : paths));
  }
  // Somebody who never had a daemon of their own uses the system's, if there ever was one.
  if (chosen === "nothing" && !lstat(dataDir) && lstat(SYSTEM_DATA_DIR)) {
    return await placeOf(system);
  }
  const config = readHolder(holderFile(dataDir))?.config ?? paths.config;
  return await placeOf({ dataDir, config });
}

async function placeOf(
  { dataDir, config }: { dataDir: string; config: string },
): Promise<SpoolPlace> {
  const settings = await spoolSettings(config);
  const own = `${dataDir}/${SPOOL_FOLDER}`;
  const folder = settings.folder ?? own;
  const isNamed = settings.folder !== undefined;
  return { ...settings, folder, isNamed, folders: [...new Set([folder, own])], dataDir };
}

/** What a daemon wrote beside its socket. Anybody may write that into a folder like /tmp. */
function trustedHolder(socket: string): { dataDir: string; config: string } | undefined {
  const file = socketLockFile(socket);
  const { uid } = lstat(file) ?? {};
  const isTrusted = uid === Deno.uid() || uid === 0 || socket === SYSTEM_SOCKET;
  return isTrusted ? readHolder(file) : undefined;
}
