/**
 * The page of `evs dashboard` as a browser loads it: `deno task dashboard:bundle` writes
 * dashboard/dist, which is committed, so that nothing is built where evs runs.
 *
 * Packages from npm are named in the sources with their versions. They are installed into a
 * temporary folder, and must be the bytes that tests/deno.lock names.
 */
import * as esbuild from "./esbuild.ts";
import { type BundledPackage, bundledPackage } from "./npm_packages.ts";
import { project } from "./project.ts";

/** The files of the page, and what they are made of. */
export interface DashboardPage {
  /** By their names in dashboard/dist, in order. */
  files: Map<string, Uint8Array>;
  /** In order of their names. */
  packages: BundledPackage[];
}

/** Files that are served as they are in the sources. */
const AS_THEY_ARE = ["icon.svg", "index.html"];

/** `npm:preact@11.2.0/hooks`. */
const PIN = /npm:((?:@[\w.-]+\/)?[\w.-]+)@(\d[\w.+-]*)((?:\/[\w.-]+)*)/;

/** Builds it. */
export async function buildDashboard(): Promise<DashboardPage> {
  const made = await Deno.makeTempDir({ prefix: "evs-dashboard-" });
  try {
    const stage = await Deno.realPath(made);
    const integrity = await install(stage, await pinsIn(`${project}/dashboard`));
    const { outputFiles, metafile } = await bundle(stage);
    const files = outputFiles.map(({ path, contents }): [string, Uint8Array] => [
      path.slice(path.lastIndexOf("/") + 1),
      contents,
    ]);
    for (const name of AS_THEY_ARE) {
      files.push([name, await Deno.readFile(`${project}/dashboard/${name}`)]);
    }
    return {
      files: new Map(files.sort(([a], [b]) => a < b ? -1 : 1)),
      packages: await packagesIn(stage, { inputs: Object.keys(metafile.inputs), integrity }),
    };
  } finally {
    await Deno.remove(made, { recursive: true });
  }
}

/** The packages that the sources name, with their versions. */
async function pinsIn(folder: string): Promise<Map<string, string>> {
  const pins = new Map<string, string>();
  for await (const { name, isDirectory } of Deno.readDir(folder)) {
    const path = `${folder}/${name}`;
    if (isDirectory) {
      for (const [pinned, version] of await pinsIn(path)) add(pins, pinned, version);
    } else if (/\.tsx?$/.test(name)) {
      const source = await Deno.readTextFile(path);
      for (const [, pinned, version] of source.matchAll(new RegExp(PIN, "g"))) {
        add(pins, pinned!, version!);
      }
    }
  }
  return pins;
}

function add(pins: Map<string, string>, name: string, version: string): void {
  const other = pins.get(name);
  if (other !== undefined && other !== version) {
    throw new Error(`dashboard/ names two versions of ${name}: ${other} and ${version}`);
  }
  pins.set(name, version);
}

/** Installs them, and returns their checksums: those that tests/deno.lock has, too. */
async function install(stage: string, pins: Map<string, string>): Promise<Map<string, string>> {
  const imports = Object.fromEntries(
    [...pins].map(([name, version]) => [name, `npm:${name}@${version}`]),
  );
  await Deno.writeTextFile(
    `${stage}/deno.json`,
    JSON.stringify({ imports, nodeModulesDir: "auto" }),
  );
  const { success, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["install", "--quiet"],
    cwd: stage,
    stdout: "null",
    stderr: "piped",
  }).output();
  if (!success) throw new Error(`deno install: ${new TextDecoder().decode(stderr)}`);
  const integrity = new Map<string, string>();
  const [installed, locked] = await Promise.all(
    [`${stage}/deno.lock`, `${project}/tests/deno.lock`].map(checksums),
  );
  for (const [name, checksum] of installed!) {
    if (locked!.get(name) !== checksum) {
      throw new Error(`${name} is not what tests/deno.lock names`);
    }
    integrity.set(name, checksum);
  }
  return integrity;
}

/** Of each package in a lock file, by `name@version`. */
async function checksums(lock: string): Promise<Map<string, string>> {
  const { npm = {} } = JSON.parse(await Deno.readTextFile(lock)) as {
    npm?: Record<string, { integrity: string }>;
  };
  return new Map(Object.entries(npm).map(([name, { integrity }]) => [name, integrity]));
}

async function bundle(
  stage: string,
): Promise<esbuild.BuildResult<{ metafile: true; write: false }>> {
  try {
    return await esbuild.build({
      absWorkingDir: project,
      entryPoints: [
        { in: "dashboard/main.tsx", out: "app" },
        { in: "dashboard/style.css", out: "app" },
      ],
      outdir: stage,
      bundle: true,
      format: "esm",
      platform: "browser",
      target: "es2022",
      minify: true,
      charset: "utf8",
      // Their licences are beside the program, whole.
      legalComments: "none",
      // Whatever deno.json says: the same bytes everywhere.
      tsconfigRaw: {},
      plugins: [fromNpm(stage)],
      metafile: true,
      write: false,
      logLevel: "error",
    });
  } finally {
    await esbuild.stop();
  }
}

/** Finds `npm:NAME@VERSION/PATH` among what was installed. */
function fromNpm(stage: string): esbuild.Plugin {
  return {
    name: "npm",
    setup(build) {
      build.onResolve({ filter: /^npm:/ }, ({ path, kind }) => {
        const [, name, , below] = PIN.exec(path)!;
        return build.resolve(`${name}${below}`, { resolveDir: stage, kind });
      });
    },
  };
}

/** The packages that these files are from. */
async function packagesIn(
  stage: string,
  { inputs, integrity }: { inputs: readonly string[]; integrity: Map<string, string> },
): Promise<BundledPackage[]> {
  const names = new Set<string>();
  for (const input of inputs) {
    const name = /.*\/node_modules\/((?:@[^/]+\/)?[^/]+)\//.exec(input)?.[1];
    if (name !== undefined) names.add(name);
  }
  return await Promise.all(
    [...names].sort().map((name) =>
      bundledPackage(
        `${stage}/node_modules/${name}`,
        (name, version) => integrity.get(`${name}@${version}`),
      )
    ),
  );
}

/** Writes dashboard/dist. */
async function writeDashboard(): Promise<void> {
  const { files } = await buildDashboard();
  const folder = `${project}/dashboard/dist`;
  await Deno.mkdir(folder, { recursive: true });
  for await (const { name } of Deno.readDir(folder)) {
    if (!files.has(name)) await Deno.remove(`${folder}/${name}`);
  }
  for (const [name, content] of files) await Deno.writeFile(`${folder}/${name}`, content);
}

if (import.meta.main) await writeDashboard();
