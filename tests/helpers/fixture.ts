/** Data dirs of older versions, kept in tests/fixtures for ever. */

const FIXTURES = new URL("../fixtures/", import.meta.url);

/** Puts the databases of a fixture into a folder. */
export async function unpackFixture(name: string, folder: string): Promise<void> {
  for (const file of ["events.db", "state.db"]) {
    const packed = await Deno.open(new URL(`${name}/${file}.gz`, FIXTURES));
    const out = await Deno.open(`${folder}/${file}`, { write: true, createNew: true, mode: 0o600 });
    await packed.readable.pipeThrough(new DecompressionStream("gzip")).pipeTo(out.writable);
    await Deno.chmod(`${folder}/${file}`, 0o600);
  }
}

/** A text file of a fixture. */
export function fixtureText(name: string, file: string): string {
  return Deno.readTextFileSync(new URL(`${name}/${file}`, FIXTURES));
}
