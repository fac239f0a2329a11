/** Writes and removes the files of a service, and never what somebody else wrote. */
import { ConflictError } from "../../core/base/errors.ts";
import { ifThere, lstat } from "../../core/base/if_there.ts";
import { folderOf } from "../../core/protocol/paths.ts";
import { type FileOrigin, originOf } from "./stamp.ts";

/** A file that belongs to a service. */
export interface ServiceFile {
  path: string;
  /** Its text, with the first line that tells where it is from. */
  text: string;
  /** One that is there already is used as it is, whoever wrote it. */
  isKept?: boolean;
}

/** What is at a file's path: nothing, the same text, or a file of some origin. */
export type FileState = "absent" | "same" | FileOrigin;

/** Looks at the path of a file. A link is somebody else's, whatever it leads to. */
export async function stateOf({ path, text }: ServiceFile): Promise<FileState> {
  const info = lstat(path);
  if (info === undefined) return "absent";
  if (!info.isFile) return "foreign";
  const found = await Deno.readTextFile(path);
  return found === text ? "same" : await originOf(found);
}

/** The error for a file that was left alone. */
export function notOurs(
  { path, state, hint }: { path: string; state: FileState; hint: string },
): ConflictError {
  return new ConflictError(
    state === "edited"
      ? `${path} was edited since it was installed; nothing was changed`
      : `${path} is there and was not made by evs service; nothing was changed`,
    { code: "service/edited", hint, details: { path } },
  );
}

/** Missing folders are made so that every user can enter them, whatever the umask of root is. */
function makeFolder(path: string): void {
  if (ifThere(() => Deno.statSync(path))) return;
  makeFolder(folderOf(path));
  Deno.mkdirSync(path);
  Deno.chmodSync(path, 0o755);
}

/** Writes a file as a whole, in place of what is there. */
export async function writeServiceFile({ path, text }: ServiceFile): Promise<void> {
  makeFolder(folderOf(path));
  const fresh = `${path}.evs-${Deno.pid}`;
  try {
    await Deno.writeTextFile(fresh, text, { createNew: true });
    await Deno.chmod(fresh, 0o644);
    await Deno.rename(fresh, path);
  } catch (error) {
    ifThere(() => Deno.removeSync(fresh));
    throw error;
  }
}
