/**
 * `deno task build:npm`: the npm package, as the folder dist/npm. `npm pack dist/npm` makes the
 * archive that `npm install` takes.
 */
import { documentation } from "./documentation.ts";
import { buildProgram } from "./program.ts";
import { configuration, project, RUNTIME_VERSION } from "./project.ts";
import { textFile, type Tree, writeTree } from "./tree.ts";

/**
 * npm's packages with nothing but the Deno binary in them; npm installs the one that fits. They
 * have no install script, which npm would not run.
 */
const RUNTIMES = ["darwin-arm64", "darwin-x64", "linux-arm64-glibc", "linux-x64-glibc"];

/** Its package.json. */
async function manifest(manPages: readonly string[]): Promise<string> {
  const { version, license } = await configuration();
  const fields = {
    name: "env-event-stream",
    version,
    description: "An event stream that a shell can use: durable events, retries and dead letters",
    keywords: ["events", "queue", "dead-letter", "unix-socket", "cli"],
    license,
    type: "module",
    bin: { evs: "bin/evs" },
    files: ["bin", "docs", "lib", "man", "THIRD_PARTY_LICENSES"],
    // npm install -g puts them where man looks.
    man: manPages,
    os: ["linux", "darwin"],
    optionalDependencies: Object.fromEntries(
      RUNTIMES.map((name) => [`@deno/${name}`, RUNTIME_VERSION]),
    ),
    // Nothing can be run from within an archive.
    preferUnplugged: true,
  };
  return JSON.stringify(fields, undefined, 2) + "\n";
}

/** The files of the package. */
export async function npmTree(program: Tree): Promise<Tree> {
  const pages = await documentation();
  const manPages = [...pages.keys()].filter((path) => path.startsWith("man/")).sort();
  return new Map([
    ...program,
    ...pages,
    ["package.json", textFile(await manifest(manPages))],
    ["README.md", textFile(await Deno.readTextFile(`${project}/packaging/npm.md`))],
  ]);
}

if (import.meta.main) {
  const { tree } = await buildProgram();
  await writeTree(await npmTree(tree), `${project}/dist/npm`);
}
