/**
 * Checks which file system a data dir is on. Locks and fsync on a network file system do not give
 * the guarantees that the stores rely on, and the upper layer of an overlay disappears with its
 * container. Works on the text of `/proc/self/mountinfo` (proc(5)).
 */
import { DataDirError } from "../base/errors.ts";

/** File systems that store files on another machine. */
const NETWORK = new Set([
  "9p",
  "afs",
  "beegfs",
  "ceph",
  "cifs",
  "coda",
  "davfs",
  "gfs",
  "gfs2",
  "glusterfs",
  "lustre",
  "ncpfs",
  "nfs",
  "nfs4",
  "ocfs2",
  "orangefs",
  "pvfs2",
  "smb3",
  "smbfs",
]);
/** The same behind FUSE, where the type names the program: `fuse.sshfs`. */
const NETWORK_FUSE =
  /^fuse\.(?:.*(?:ssh|nfs|smb|s3|gcs|ceph|gluster|rclone|davfs|juicefs|blob|lustre).*)$/;
const OVERLAYS = new Set(["overlay", "overlayfs", "aufs", "unionfs"]);

/** The type of the file system that a path is on; undefined if the text does not say. */
export function fileSystemOf(path: string, mountinfo: string): string | undefined {
  let best: { point: string; type: string } | undefined;
  for (const line of mountinfo.split("\n")) {
    const [before, after] = line.split(" - ");
    const point = unescape(before?.split(" ")[4] ?? "");
    const type = after?.split(" ")[0];
    if (type === undefined || point === "" || !isWithin(path, point)) continue;
    // Mounts can cover each other; the last one listed is on top.
    if (!best || point.length >= best.point.length) best = { point, type };
  }
  return best?.type;
}

/**
 * A warning about the data dir's file system; undefined if all is well. Throws `DataDirError` for a
 * network file system unless `force` is set.
 */
export function checkFileSystem(
  dataDir: string,
  { mountinfo, force }: { mountinfo: string; force: boolean },
): string | undefined {
  const type = fileSystemOf(dataDir, mountinfo);
  if (type === undefined) return undefined;
  if (OVERLAYS.has(type)) {
    return `${dataDir} is on an overlay (${type}): it disappears with its container; mount a volume there`;
  }
  if (!NETWORK.has(type) && !NETWORK_FUSE.test(type)) return undefined;
  const what = `${dataDir} is on a network file system (${type}), where locks and fsync cannot ` +
    "protect acknowledged events";
  if (force) return what;
  throw new DataDirError("datadir/unsafe", `${what}; nothing in it was touched`, {
    hint: "choose a local disk with EVS_DATA_DIR, or use --force if you know that yours is safe",
    details: { fileSystem: type },
  });
}

function isWithin(path: string, point: string): boolean {
  return point === "/" || path === point || path.startsWith(`${point}/`);
}

/** Spaces, tabs, line feeds and backslashes are escaped in octal there. */
function unescape(text: string): string {
  return text.replaceAll(/\\([0-7]{3})/g, (_, octal) => String.fromCharCode(parseInt(octal, 8)));
}

/**
 * The largest file this process may write according to `/proc/self/limits`, bytes; undefined: no
 * limit.
 */
export function fileSizeLimit(limits: string): number | undefined {
  const [, soft] = /^Max file size\s+(\d+|unlimited)\s/m.exec(limits) ?? [];
  return soft === undefined || soft === "unlimited" ? undefined : Number(soft);
}
