/**
 * The Debian package, made by `dpkg-deb`: the same files as in the archive, where Debian has them,
 * and the daemon as a service that nobody has started yet (docs/adr/0035-debian-package.md). Deno's
 * binary is in it as it comes from npm, since Debian has no package of it.
 */
import { constants, gzipSync } from "node:zlib";
import { extras } from "./archive.ts";
import { CONFFILE, DEBIAN_PROGRAM, serviceFiles } from "./debian_service.ts";
import { configuration, project } from "./project.ts";
import { type PackageOptions, type Platform, runtimeFile } from "./runtime.ts";
import { MODIFIED_AT } from "./tar.ts";
import { bytesOf, type PackageFile, sorted, textFile, type Tree, writeTree } from "./tree.ts";

/** Debian's names. */
const ARCHITECTURES: Record<Platform, string> = { "linux-x64": "amd64", "linux-arm64": "arm64" };

const NAME = "env-event-stream";
const DOCUMENTATION = `usr/share/doc/${NAME}`;
/** What `evs docs` reads: programs must not need what is in /usr/share/doc. */
const PAGES = `usr/share/${NAME}`;
const SCRIPTS = ["postinst", "prerm", "postrm"];
const MAINTAINER = "env-event-stream maintainers <maintainers@env-event-stream.invalid>";

/** What Debian says of Deno's binary: it is built that way, and not by us. */
const OVERRIDES = `# Deno comes as one binary with its libraries inside.
${NAME}: embedded-library *
`;

/** Where each file goes; those that are not named stay out. */
function placeOf(path: string): string | undefined {
  const places: Record<string, string> = {
    "completions/evs.bash": "usr/share/bash-completion/completions/evs",
    "completions/_evs": "usr/share/zsh/vendor-completions/_evs",
    "completions/evs.fish": "usr/share/fish/vendor_completions.d/evs.fish",
  };
  if (path in places) return places[path];
  if (path.startsWith("docs/")) return `${PAGES}/${path}`;
  return /^(bin|lib)\//.test(path) ? `${DEBIAN_PROGRAM}/${path}` : undefined;
}

async function control(architecture: string, kilobytes: number): Promise<string> {
  const { version } = await configuration();
  return `Package: ${NAME}
Version: ${version}
Section: utils
Priority: optional
Architecture: ${architecture}
Depends: libc6 (>= 2.27), libgcc-s1, passwd
Installed-Size: ${kilobytes}
Maintainer: ${MAINTAINER}
Description: event stream that a shell can use
 A daemon keeps events, dead letters and schemas behind a Unix socket; evs
 publishes, tails, replays and consumes. A consumer runs any command for each
 event, and its exit code decides whether the event is done, retried or
 becomes a dead letter.
`;
}

/** In Debian's form, compressed. */
async function changelog(): Promise<PackageFile> {
  const { version } = await configuration();
  const at = new Date(MODIFIED_AT * 1000).toUTCString().replace("GMT", "+0000");
  const entry = `${NAME} (${version}) unstable; urgency=medium

  * Release ${version}.

 -- ${MAINTAINER}  ${at}
`;
  return await compressed(textFile(entry));
}

async function compressed(file: PackageFile): Promise<PackageFile> {
  return { content: gzipSync(await bytesOf(file), { level: constants.Z_BEST_COMPRESSION }) };
}

/** All licences in one file. Debian has a copy of the longest of them, and wants it named. */
async function copyright(tree: Tree, runtime: string): Promise<string> {
  const read = async (path: string) => new TextDecoder().decode(await bytesOf(tree.get(path)!));
  const apache = (await Deno.readTextFile(`${project}/packaging/licenses/Apache-2.0.txt`)).trim();
  return `evs: see below for its licence, those of the packages in /${DEBIAN_PROGRAM}/lib, and Deno's.

${await read("LICENSE")}
${
    (await read("THIRD_PARTY_LICENSES"))
      .replaceAll(apache, "The text is in /usr/share/common-licenses/Apache-2.0.")
  }
/${runtime} is Deno:

${await read("licenses/deno.txt")}`;
}

async function md5sums(tree: Tree, folder: string): Promise<string> {
  const { stdout } = await new Deno.Command("md5sum", {
    // dpkg keeps the sums of what may be edited itself.
    args: sorted(tree).map(([path]) => path).filter((path) => path !== CONFFILE),
    cwd: folder,
  }).output();
  return new TextDecoder().decode(stdout);
}

/** How a package is made. */
export interface DebOptions extends PackageOptions {
  /** `none` takes a second instead of twenty: for a package that is installed once. */
  compression?: "xz" | "none";
}

/** Builds one into `folder`, and returns its path. */
export async function buildDeb(program: Tree, options: DebOptions): Promise<string> {
  const { platform, folder, compression = "xz" } = options;
  const stage = await Deno.makeTempDir({ prefix: "evs-deb-" });
  try {
    const files = await installedFiles(program, options);
    const root = `${stage}/root`;
    await writeTree(files, root);
    await link(root, { from: "usr/bin/evs", to: "../lib/evs/bin/evs" });
    await link(root, { from: `${DOCUMENTATION}/docs`, to: `../../${NAME}/docs` });
    let bytes = 0;
    for (const [, file] of files) bytes += (await bytesOf(file)).length;
    const architecture = ARCHITECTURES[platform];
    await writeTree(
      await controlFiles({
        control: await control(architecture, Math.ceil(bytes / 1024)),
        md5sums: await md5sums(files, root),
      }),
      `${root}/DEBIAN`,
    );
    const path = `${folder}/${NAME}_${(await configuration()).version}_${architecture}.deb`;
    await pack({ root, path, compression });
    return path;
  } finally {
    await Deno.remove(stage, { recursive: true });
  }
}

/** What the package installs, but for links. */
async function installedFiles(program: Tree, options: PackageOptions): Promise<Tree> {
  const { platform, runtime } = options;
  const all: Tree = new Map([...program, ...await extras()]);
  const runtimePath = `${DEBIAN_PROGRAM}/${runtimeFile(platform)}`;
  const files: Tree = new Map<string, PackageFile>([
    ...await serviceFiles(),
    [runtimePath, { content: { path: runtime }, executable: true }],
    [`${DOCUMENTATION}/copyright`, textFile(await copyright(all, runtimePath))],
    [`${DOCUMENTATION}/changelog.gz`, await changelog()],
    [`${DOCUMENTATION}/README.Debian`, textFile(await debianFile("README.Debian"))],
    [`usr/share/lintian/overrides/${NAME}`, textFile(OVERRIDES)],
  ]);
  for (const [path, file] of all) {
    const place = placeOf(path);
    if (place !== undefined) files.set(place, file);
    // Debian wants them compressed.
    if (path.startsWith("man/")) files.set(`usr/share/${path}.gz`, await compressed(file));
  }
  return files;
}

/** What dpkg reads, and the scripts that it runs. */
async function controlFiles(texts: { control: string; md5sums: string }): Promise<Tree> {
  const files: Tree = new Map([
    ["control", textFile(texts.control)],
    ["md5sums", textFile(texts.md5sums)],
    ["conffiles", textFile(`/${CONFFILE}\n`)],
  ]);
  for (const name of SCRIPTS) {
    files.set(name, textFile(await debianFile(name), { executable: true }));
  }
  return files;
}

function debianFile(name: string): Promise<string> {
  return Deno.readTextFile(`${project}/packaging/debian/${name}`);
}

/** Makes a link, in a folder that everybody may read. */
async function link(root: string, { from, to }: { from: string; to: string }): Promise<void> {
  const folder = `${root}/${from.slice(0, from.lastIndexOf("/"))}`;
  await Deno.mkdir(folder, { recursive: true });
  await Deno.chmod(folder, 0o755);
  await Deno.symlink(to, `${root}/${from}`);
}

async function pack(
  { root, path, compression }: { root: string; path: string; compression: string },
): Promise<void> {
  const { success, stderr } = await new Deno.Command("dpkg-deb", {
    args: ["--root-owner-group", `-Z${compression}`, "-z1", "--build", root, path],
    // No file is younger than this, so that the time of building leaves no trace.
    env: { SOURCE_DATE_EPOCH: String(MODIFIED_AT) },
  }).output();
  if (!success) throw new Error(`dpkg-deb: ${new TextDecoder().decode(stderr)}`);
}
