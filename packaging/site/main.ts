/** `deno task docs`: the documentation as a static site in dist/site, or the folder that is named. */
import { project } from "../project.ts";
import { writeTree } from "../tree.ts";
import { buildSite } from "./build.ts";

const folder = Deno.args[0] ?? `${project}/dist/site`;
const site = await buildSite();
await writeTree(site, folder);
await Deno.stdout.write(
  new TextEncoder().encode(`${site.size} files in ${folder}; open index.html\n`),
);
