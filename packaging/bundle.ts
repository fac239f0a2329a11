/**
 * The program as JavaScript: one folder of modules that need no import map, no lock file and no
 * download. Every module that is loaded by its name keeps a file of its own
 * (core/base/program.ts).
 *
 * It is made in a temporary copy with a `node_modules` folder of exactly what deno.lock names, so
 * that neither the place of the checkout nor the cache of Deno leaves a trace in the bytes.
 */
import { bundledName } from "../core/base/program.ts";
import { entryPoints } from "./entry_points.ts";
import { builtInModules } from "./built_in_modules.ts";
import * as esbuild from "./esbuild.ts";
import { type BundledPackage, bundledPackage } from "./npm_packages.ts";
import { configuration, project } from "./project.ts";

/** The modules, and what they are made of. */
export interface Bundle {
  /** By name, in order. */
  modules: Map<string, Uint8Array>;
  /** In order of their names. */
  packages: BundledPackage[];
}

/** What a package would load if it were there: `pg` has a second driver, and one for a cloud. */
const OPTIONAL = ["pg-native", "pg-cloudflare"];

/** Builds it. */
export async function buildBundle(): Promise<Bundle> {
  const made = await Deno.makeTempDir({ prefix: "evs-bundle-" });
  try {
    // On some systems the temporary folder is a link, and esbuild names files by their real paths.
    const stage = await Deno.realPath(made);
    await prepare(stage);
    const { outputFiles, inputs } = await run(stage, await entryPoints());
    return {
      modules: new Map(
        outputFiles.map(({ path, contents }): [string, Uint8Array] => [
          path.slice(`${stage}/lib/`.length),
          contents,
        ]).sort(([a], [b]) => a < b ? -1 : 1),
      ),
      packages: await packagesOf(stage, inputs),
    };
  } finally {
    await Deno.remove(made, { recursive: true });
  }
}

/** Copies the source, and installs what the lock file names. */
async function prepare(stage: string): Promise<void> {
  for (const folder of ["commands", "core", "daemon", "schemas"]) {
    await copyFolder(`${project}/${folder}`, `${stage}/${folder}`);
  }
  for (const file of ["cli.ts", "deno.lock"]) {
    await Deno.copyFile(`${project}/${file}`, `${stage}/${file}`);
  }
  const { imports } = await configuration();
  const fromNpm = Object.entries(imports).filter(([, target]) => target.startsWith("npm:"));
  await Deno.writeTextFile(
    `${stage}/deno.json`,
    JSON.stringify({ imports: Object.fromEntries(fromNpm), nodeModulesDir: "auto" }),
  );
  const { success, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["install", "--quiet", "--lock=deno.lock", "--frozen"],
    cwd: stage,
    stdout: "null",
    stderr: "piped",
  }).output();
  if (!success) throw new Error(`deno install: ${new TextDecoder().decode(stderr)}`);
  // Makes esbuild import CommonJS modules the way Deno does.
  await Deno.writeTextFile(`${stage}/package.json`, '{"type":"module"}');
}

async function copyFolder(from: string, to: string): Promise<void> {
  await Deno.mkdir(to);
  for await (const { name, isDirectory } of Deno.readDir(from)) {
    if (isDirectory) await copyFolder(`${from}/${name}`, `${to}/${name}`);
    else await Deno.copyFile(`${from}/${name}`, `${to}/${name}`);
  }
}

/** What a daemon loads if it has a database; a checkout calls it by its name, and reads it then. */
const DATABASE = "daemon/open_shared.ts";

/** Has the daemon's file hold it, too: two copies of one module would not know each other's errors. */
async function holdDatabase(stage: string): Promise<void> {
  const main = `${stage}/daemon/main.ts`;
  const source = await Deno.readTextFile(main);
  const held = source.replace(
    /import\(\s*programFile\("daemon\/open_shared\.ts"\)\.href,?\s*\)/,
    'import("./open_shared.ts")',
  );
  if (held === source) throw new Error(`${main} does not load ${DATABASE} by its name`);
  await Deno.writeTextFile(main, held);
}

/**
 * Commands share chunks, so that each loads only what it needs. The daemon and each of its workers
 * are one file: what they load late has to be there when the package was replaced meanwhile
 * (docs/adr/0034-held-programs.md), so it is in the file and begins when it is asked for.
 */
async function run(stage: string, entries: readonly string[]): Promise<Built> {
  try {
    const isDaemon = (path: string) => path.startsWith("daemon/");
    await holdDatabase(stage);
    const parts = entries.filter((path) => isDaemon(path) && path !== DATABASE);
    const daemon = await bundle(stage, parts, {});
    const commands = entries.filter((path) => !isDaemon(path));
    // Changes the copies, so the daemon's turn is over.
    await shareStart(stage, commands);
    const runs = [await bundle(stage, commands, { splitting: true }), daemon];
    return {
      outputFiles: runs.flatMap(withoutIdleImports),
      inputs: runs.flatMap(({ metafile }) => Object.keys(metafile.inputs)),
    };
  } finally {
    await esbuild.stop();
  }
}

interface Built {
  outputFiles: OutputFile[];
  inputs: string[];
}

type OutputFile = Pick<esbuild.OutputFile, "path" | "contents">;

/**
 * The files, without imports that only have a chunk of esbuild's helpers run: whoever uses a helper
 * imports it by its name, and a plain publish uses none.
 */
function withoutIdleImports(
  { outputFiles, metafile: { outputs } }: esbuild.BuildResult<{ metafile: true; write: false }>,
): OutputFile[] {
  const helpers = Object.entries(outputs)
    .filter(([, { inputs }]) => Object.keys(inputs).length === 0)
    .map(([path]) => `import "./${path.slice(path.lastIndexOf("/") + 1)}";\n`);
  return outputFiles.map(({ path, text, contents }) => {
    const found = helpers.filter((idle) => text.includes(idle));
    if (found.length === 0) return { path, contents };
    const rest = found.reduce((kept, idle) => kept.replaceAll(idle, ""), text);
    return { path, contents: new TextEncoder().encode(rest) };
  });
}

function bundle(
  stage: string,
  entries: readonly string[],
  { splitting = false }: { splitting?: boolean },
): Promise<esbuild.BuildResult<{ metafile: true; write: false }>> {
  return esbuild.build({
    absWorkingDir: stage,
    entryPoints: entries.map((path) => ({
      in: path,
      out: bundledName(path).replace(/\.js$/, ""),
    })),
    outdir: "lib",
    chunkNames: "chunk.[hash]",
    bundle: true,
    splitting,
    format: "esm",
    platform: "neutral",
    mainFields: ["module", "main"],
    // Beside those that esbuild takes by how a module is asked for.
    conditions: [],
    target: "esnext",
    external: ["node:*", ...OPTIONAL],
    plugins: [builtInModules],
    // Their licences are beside them, whole.
    legalComments: "none",
    charset: "utf8",
    metafile: true,
    write: false,
    logLevel: "error",
  });
}

/**
 * Makes one chunk of what `cli.ts` loads before its first statement. esbuild makes one for each set
 * of modules that are loaded by themselves and share it: fourteen for a plain publish, which then
 * takes 1.5 ms longer. If every one of them imports all of it, there is one set.
 */
async function shareStart(stage: string, entries: readonly string[]): Promise<void> {
  const { metafile: { inputs } } = await esbuild.build({
    absWorkingDir: stage,
    entryPoints: [...entries],
    bundle: true,
    packages: "external",
    platform: "neutral",
    metafile: true,
    write: false,
    outdir: "lib",
    logLevel: "error",
  });
  const seen = new Set(["cli.ts"]);
  for (const path of seen) {
    for (const { path: imported, kind, external } of inputs[path]!.imports) {
      if (kind === "import-statement" && external !== true) seen.add(imported);
    }
  }
  seen.delete("cli.ts");
  const start = [...seen].map((path) => `import "./${path}";\n`).join("");
  await Deno.writeTextFile(`${stage}/start.ts`, start);
  const late = Object.values(inputs).flatMap(({ imports }) =>
    imports.filter(({ kind, external }) => kind === "dynamic-import" && external !== true)
      .map(({ path }) => path)
  );
  for (const path of new Set([...entries, ...late])) {
    const source = await Deno.readTextFile(`${stage}/${path}`);
    const up = path.replaceAll(/[^/]*\//g, "../").replace(/[^/]*$/, "");
    await Deno.writeTextFile(`${stage}/${path}`, `import "./${up}start.ts";\n${source}`);
  }
}

/** The packages that these files are from. */
async function packagesOf(stage: string, inputs: readonly string[]): Promise<BundledPackage[]> {
  const { npm } = JSON.parse(await Deno.readTextFile(`${project}/deno.lock`)) as {
    npm: Record<string, { integrity: string }>;
  };
  const folders = new Map<string, string>();
  for (const input of inputs) {
    const [, folder, name] = /^(.*\/node_modules\/((?:@[^/]+\/)?[^/]+))\//.exec(`/${input}`) ?? [];
    if (name !== undefined) folders.set(name, `${stage}${folder}`);
  }
  const integrityOf = (name: string, version: string) =>
    Object.entries(npm).find(([key]) =>
      key === `${name}@${version}` || key.startsWith(`${name}@${version}_`)
    )?.[1].integrity;
  const packages: BundledPackage[] = [];
  for (const [, folder] of [...folders].sort(([a], [b]) => a < b ? -1 : 1)) {
    packages.push(await bundledPackage(folder, integrityOf));
  }
  return packages;
}
