/** Data dirs of older versions, kept in tests/fixtures permanently. */

const FIXTURES = new URL("../fixtures/", import.meta.url);

/** Unpacks all the packed files of a fixture's data dir into a folder. */
export async function unpackFixture(name: string, folder: string): Promise<void> {
  await unpack(new URL(`${name}/`, FIXTURES), folder);
}

async function unpack(from: URL, folder: string): Promise<void> {
  for (const entry of Deno.readDirSync(from)) {
    const path = `${folder}/${entry.name.replace(/\.gz$/, "")}`;
    if (entry.isDirectory) {
      await Deno.mkdir(path, { mode: 0o700 });
      await unpack(new URL(`${entry.name}/`, from), path);
    } else if (entry.name.endsWith(".gz")) {
      const packed = await Deno.open(new URL(entry.name, from));
      const out = await Deno.open(path, { write: true, createNew: true, mode: 0o600 });
      await packed.readable.pipeThrough(new DecompressionStream("gzip")).pipeTo(out.writable);
      await Deno.chmod(path, 0o600);
    }
  }
}

/** The text of a packed file. */
export async function packedText(file: string): Promise<string> {
  const packed = await Deno.open(new URL(file, FIXTURES));
  return await new Response(packed.readable.pipeThrough(new DecompressionStream("gzip"))).text();
}

/** A text file of a fixture. */
export function fixtureText(name: string, file: string): string {
  return Deno.readTextFileSync(new URL(`${name}/${file}`, FIXTURES));
}

/** The lines of a fixture's NDJSON file. */
// deno-lint-ignore no-explicit-any
export function fixtureLines(name: string, file: string): any[] {
  return fixtureText(name, file).trim().split("\n").map((line) => JSON.parse(line));
}
