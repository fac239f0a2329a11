/**
 * Folders of tests. Each is named for the process that it is for, so that what a killed run left
 * behind is removed by the next one.
 */
import process from "node:process";

const OURS = /^evs-(?:test|start)-(\d+)-/;
let swept = false;

/** A new folder, for the owner alone; whoever asks for it removes it. */
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
      // Another run removes it, too, or it is another user's.
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
