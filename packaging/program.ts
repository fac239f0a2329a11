/** What every package has: the launcher, the bundle, and the licences of all that is in them. */
import { bundledName } from "../core/base/program.ts";
import { buildBundle } from "./bundle.ts";
import { buildDashboard } from "./dashboard.ts";
import type { BundledPackage } from "./npm_packages.ts";
import { project } from "./project.ts";
import { textFile, type Tree } from "./tree.ts";

/** The files, and the packages from npm that are in the bundle. */
export interface Program {
  tree: Tree;
  packages: BundledPackage[];
}

/** Builds them. */
export async function buildProgram(): Promise<Program> {
  const { modules, packages: inProgram } = await buildBundle();
  const { files, packages: inPage } = await buildDashboard();
  const tree: Tree = new Map();
  const launcher = await Deno.readTextFile(`${project}/packaging/evs`);
  tree.set("bin/evs", textFile(launcher, { executable: true }));
  for (const [name, content] of modules) tree.set(`lib/${name}`, { content });
  for (const [name, content] of files) {
    tree.set(`lib/${bundledName(`dashboard/dist/${name}`)}`, { content });
  }
  // Deno takes files outside of a package for CommonJS until it has looked at them.
  tree.set("lib/package.json", textFile('{ "type": "module" }\n'));
  tree.set("LICENSE", textFile(await Deno.readTextFile(`${project}/LICENSE`)));
  const packages = [...inProgram, ...inPage].sort((a, b) => a.name < b.name ? -1 : 1);
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
