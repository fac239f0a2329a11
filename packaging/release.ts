/**
 * `deno task release`: everything that a release consists of, in dist/release, with SHA256SUMS. The
 * same source gives the same bytes. `--platforms linux-x64` makes fewer archives; `--base-url URL`
 * says where it will be downloaded from.
 */
import { readFlags } from "./arguments.ts";
import { buildArchive } from "./archive.ts";
import { buildDeb } from "./deb.ts";
import { BASE_URL, distributionFiles, parseBaseUrl } from "./distribution.ts";
import { npmTree } from "./npm.ts";
import { buildProgram } from "./program.ts";
import { configuration, project } from "./project.ts";
import { parsePlatforms, type Platform, PLATFORMS, sha256, withRuntimes } from "./runtime.ts";
import { sbom } from "./sbom.ts";
import { tarball } from "./tar.ts";
import { bytesOf } from "./tree.ts";

/** What to build. */
export interface ReleaseOptions {
  /** Where it goes; emptied first. */
  folder: string;
  platforms: readonly Platform[];
  runtimeOf(platform: Platform): Promise<string>;
  /** Where it will be downloaded from; by default a name that leads nowhere. */
  baseUrl?: string;
}

/** Builds it. */
export async function buildRelease(
  { folder, platforms, runtimeOf, baseUrl = BASE_URL }: ReleaseOptions,
): Promise<void> {
  await Deno.remove(folder, { recursive: true }).catch((error) => {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  });
  await Deno.mkdir(folder, { recursive: true });
  const { version } = await configuration();
  const { tree, packages } = await buildProgram();
  // npm's archives have their files in a folder of this name.
  const npm = await tarball(await npmTree(tree), "package");
  await Deno.writeFile(`${folder}/env-event-stream-${version}.tgz`, npm);
  for (const [name, file] of await distributionFiles({ npm, baseUrl })) {
    await Deno.writeFile(`${folder}/${name}`, await bytesOf(file));
    await Deno.chmod(`${folder}/${name}`, file.executable ? 0o755 : 0o644);
  }
  for (const platform of platforms) {
    const runtime = await runtimeOf(platform);
    await buildArchive(tree, { platform, folder, runtime });
    await buildDeb(tree, { platform, folder, runtime });
  }
  await Deno.writeTextFile(`${folder}/evs-${version}.cdx.json`, await sbom(packages));
  await Deno.writeTextFile(`${folder}/SHA256SUMS`, await checksums(folder));
}

/** As `sha256sum -c` reads them. */
async function checksums(folder: string): Promise<string> {
  const names: string[] = [];
  for await (const { name } of Deno.readDir(folder)) names.push(name);
  const lines = names.sort().map(async (name) =>
    `${await sha256(await Deno.readFile(`${folder}/${name}`))}  ${name}\n`
  );
  return (await Promise.all(lines)).join("");
}

/** What the words after `deno task release` ask for. */
export function askedRelease(
  args: readonly string[],
): Pick<ReleaseOptions, "platforms" | "baseUrl"> {
  const { platforms, "base-url": baseUrl } = readFlags(args, ["platforms", "base-url"]);
  return {
    platforms: platforms === undefined ? PLATFORMS : parsePlatforms(platforms),
    baseUrl: baseUrl === undefined ? BASE_URL : parseBaseUrl(baseUrl),
  };
}

if (import.meta.main) {
  const asked = askedRelease(Deno.args);
  await withRuntimes((runtimeOf) =>
    buildRelease({ ...asked, folder: `${project}/dist/release`, runtimeOf })
  );
}
