/** Packages from npm of which code is in what we publish: who made them, and their licences. */
import { project } from "./project.ts";

/** A package from npm of which code is in a bundle. */
export interface BundledPackage {
  name: string;
  version: string;
  /** As in its package.json. */
  license: string;
  /** A name, from its package.json; empty if that has none. */
  author: string;
  /** The text of its licence. */
  licenseText: string;
  /** As in the lock file: `sha512-…`. */
  integrity: string;
}

/** What its folder says of it. */
export async function bundledPackage(
  folder: string,
  integrityOf: (name: string, version: string) => string | undefined,
): Promise<BundledPackage> {
  const about = JSON.parse(await Deno.readTextFile(`${folder}/package.json`));
  const { name, version, license, author = "" } = about;
  const integrity = integrityOf(name, version);
  if (integrity === undefined) throw new Error(`${name} ${version} is in no lock file`);
  return {
    name,
    version,
    license,
    author: typeof author === "string" ? author : author.name,
    licenseText: await licenseIn(folder, license),
    integrity,
  };
}

/** The text in the package; if it has none, the text that its package.json names. */
async function licenseIn(folder: string, license: string): Promise<string> {
  for await (const { name, isFile } of Deno.readDir(folder)) {
    if (isFile && /^licen[cs]e/i.test(name)) return await Deno.readTextFile(`${folder}/${name}`);
  }
  return await Deno.readTextFile(`${project}/packaging/licenses/${license}.txt`);
}
