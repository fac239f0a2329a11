/** What every package has: the launcher, the bundle, and the licences of all that is in them. */
import { buildBundle, type Bundle, type BundledPackage } from "./bundle.ts";
import { project } from "./project.ts";
import { textFile, type Tree } from "./tree.ts";

/** The files, and the packages from npm that are in the bundle. */
export interface Program {
  tree: Tree;
  packages: BundledPackage[];
}

/** Builds them. */
export async function buildProgram(): Promise<Program> {
  const { modules, packages }: Bundle = await buildBundle();
  const tree: Tree = new Map();
  const launcher = await Deno.readTextFile(`${project}/packaging/evs`);
  tree.set("bin/evs", textFile(launcher, { executable: true }));
  for (const [name, content] of modules) tree.set(`lib/${name}`, { content });
  // Deno takes files outside of a package for CommonJS until it has looked at them.
  tree.set("lib/package.json", textFile('{ "type": "module" }\n'));
  tree.set("LICENSE", textFile(await Deno.readTextFile(`${project}/LICENSE`)));
  tree.set("THIRD_PARTY_LICENSES", textFile(thirdParty(packages)));
  return { tree, packages };
}

/** One text with the licences of all packages. */
function thirdParty(packages: readonly BundledPackage[]): string {
  const line = "-".repeat(80);
  return packages.map(({ name, version, license, author, licenseText }) =>
    `${line}\n${name} ${version}, ${license}${author === "" ? "" : `, by ${author}`}\n${line}\n\n` +
    `${licenseText.trim()}\n`
  ).join("\n");
}
