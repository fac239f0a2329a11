/**
 * The daemon of the Debian package as a service: what `evs service print daemon --system` prints
 * there, and the files that belong to it.
 */
import { daemonUnit, SYSTEM_CONFIG, SYSTEM_USER_FILE } from "../commands/service/daemon_unit.ts";
import { systemPaths } from "../commands/service/installation.ts";
import { stamped } from "../commands/service/stamp.ts";
import { textFile, type Tree } from "./tree.ts";

/** Where the package has its programs. */
export const DEBIAN_PROGRAM = "usr/lib/evs";

/** The configuration, which dpkg keeps when it was edited. */
export const CONFFILE = "etc/evs/config.toml";

/** The files, by where they are installed. */
export async function serviceFiles(): Promise<Tree> {
  const unit = daemonUnit({
    scope: "system",
    program: `/${DEBIAN_PROGRAM}/bin/evs`,
    paths: systemPaths(),
    home: undefined,
    runtimeFolder: undefined,
    runtime: {},
    caller: {},
    folder: "/",
  }, {});
  return new Map([
    ["usr/lib/systemd/system/evs.service", textFile(await stamped(unit))],
    ["usr/lib/sysusers.d/evs.conf", textFile(SYSTEM_USER_FILE)],
    // Without the first line that evs service writes: it would remove the file as its own.
    [CONFFILE, textFile(SYSTEM_CONFIG)],
  ]);
}
