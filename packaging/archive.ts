/**
 * `deno task build:archive`: dist/evs-VERSION-PLATFORM.tar.gz, which has all that it takes to run:
 * unpack it anywhere. `--platforms linux-arm64` is for the other one.
 */
import { readFlags } from "./arguments.ts";
import { documentation } from "./documentation.ts";
import { buildProgram } from "./program.ts";
import { configuration, project } from "./project.ts";
import {
  type PackageOptions,
  parsePlatforms,
  type Platform,
  runtimeFile,
  withRuntimes,
} from "./runtime.ts";
import { tarball } from "./tar.ts";
import { textFile, type Tree } from "./tree.ts";

/** The files for people who look around in it, and for their shells. */
export async function extras(): Promise<Tree> {
  const read = (path: string) => Deno.readTextFile(`${project}/packaging/${path}`);
  return new Map([
    ...await documentation(),
    ["README.md", textFile(await read("archive.md"))],
    ["licenses/deno.txt", textFile(await read("licenses/deno.txt"))],
    ["completions/evs.bash", textFile(await completions("bash"))],
    ["completions/_evs", textFile(await completions("zsh"))],
    ["completions/evs.fish", textFile(await completions("fish"))],
  ]);
}

async function completions(shell: string): Promise<string> {
  const { success, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: [
      ...["run", "--quiet", `--lock=${project}/deno.lock`, "--frozen", "-A"],
      ...[`${project}/cli.ts`, "completions", shell],
    ],
    env: { NO_COLOR: "1" },
  }).output();
  const decoder = new TextDecoder();
  if (!success) throw new Error(`evs completions ${shell}: ${decoder.decode(stderr)}`);
  return decoder.decode(stdout);
}

/** The files of an archive. */
export async function archiveTree(
  program: Tree,
  { platform, runtime }: Pick<PackageOptions, "platform" | "runtime">,
): Promise<Tree> {
  return new Map([
    ...program,
    ...await extras(),
    [runtimeFile(platform), { content: { path: runtime }, executable: true }],
  ]);
}

/** The archive's name, without `.tar.gz`: also the name of the folder in it. */
export async function archiveName(platform: Platform): Promise<string> {
  return `evs-${(await configuration()).version}-${platform}`;
}

/** Builds one into `folder`, and returns its path. */
export async function buildArchive(program: Tree, options: PackageOptions): Promise<string> {
  const { platform, folder } = options;
  const name = await archiveName(platform);
  const path = `${folder}/${name}.tar.gz`;
  await Deno.mkdir(folder, { recursive: true });
  await Deno.writeFile(path, await tarball(await archiveTree(program, options), name));
  return path;
}

if (import.meta.main) {
  const { platforms = "linux-x64" } = readFlags(Deno.args, ["platforms"]);
  const { tree } = await buildProgram();
  await withRuntimes(async (runtimeOf) => {
    for (const platform of parsePlatforms(platforms)) {
      const runtime = await runtimeOf(platform);
      await buildArchive(tree, { platform, folder: `${project}/dist`, runtime });
    }
  });
}
