/**
 * Folders for tests. The name of each contains its process id, so that the next run removes what a
 * killed run left behind.
 */
import process from "node:process";

const OURS = /^evs-(?:test|start)-(\d+)-/;
let swept = false;

/** A new folder for its owner alone; the caller removes it. */
export async function testFolder(kind: "test" | "start"): Promise<string> {
  const folder = await Deno.makeTempDir({ prefix: `evs-${kind}-${Deno.pid}-` });
  await Deno.chmod(folder, 0o700);
  if (!swept) {
    swept = true;
    await removeLeftBehind(folder.slice(0, folder.lastIndexOf("/")));
  }
  return folder;
}

/** Removes the folders of tests whose process is gone. */
export async function removeLeftBehind(parent: string): Promise<void> {
  for (const { name } of [...Deno.readDirSync(parent)]) {
    const pid = Number(OURS.exec(name)?.[1]);
    if (Number.isNaN(pid) || isAlive(pid)) continue;
    try {
      await Deno.remove(`${parent}/${name}`, { recursive: true });
    } catch (error) {
      // Another run is removing it as well, or it belongs to another user.
      const { NotFound, PermissionDenied } = Deno.errors;
      if (!(error instanceof NotFound || error instanceof PermissionDenied)) throw error;
    }
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as { code?: string }).code !== "ESRCH";
  }
}
