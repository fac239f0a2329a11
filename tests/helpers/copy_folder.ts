/** A copy of a folder as it is at this moment, with its permissions: what a crash leaves of it. */

/** Copies the files and folders of `from` into `to`, which must not be there. */
export async function copyFolder(
  from: string,
  to: string,
  wanted: (name: string) => boolean = () => true,
): Promise<void> {
  await Deno.mkdir(to, { mode: 0o700 });
  for (const { name, isDirectory, isFile } of [...Deno.readDirSync(from)]) {
    if (!wanted(name)) continue;
    if (isDirectory) await copyFolder(`${from}/${name}`, `${to}/${name}`, wanted);
    // Sockets are of the process.
    else if (isFile) await Deno.copyFile(`${from}/${name}`, `${to}/${name}`);
  }
}
