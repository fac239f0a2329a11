/**
 * The Deno binary that archives bring along: the one that runs this, if it is the one that is
 * pinned, else the one from npm. Its checksum is compared either way.
 */
import { RUNTIME_VERSION } from "./project.ts";

/** SHA-256 of the binary in npm's package `@deno/PLATFORM-glibc`. */
const CHECKSUMS = {
  "linux-x64": "bceb5b6a6239b0b010418406d8c77a508f67cf4337d94288f1c19fe71304aab0",
  "linux-arm64": "d08d392418df53f4e6e88a08909c0e1bccbf9adcead7232df72b6ad6075ec416",
};

/** A platform for which there are archives. */
export type Platform = keyof typeof CHECKSUMS;

/** All of them. */
export const PLATFORMS = Object.keys(CHECKSUMS) as Platform[];

/** The platforms that `--platforms` names: `linux-x64,linux-arm64`. Throws an Error for any other. */
export function parsePlatforms(value: string): Platform[] {
  return value.split(",").map((one) => {
    const platform = PLATFORMS.find((known) => known === one);
    if (platform !== undefined) return platform;
    throw new Error(`${JSON.stringify(one)} is not one of ${PLATFORMS.join(", ")}`);
  });
}

/** Where a package has the binary: the launcher reads from the path which machine it is for. */
export function runtimeFile(platform: Platform): string {
  return `runtime/${platform}/deno`;
}

/** What a package with a runtime is made from. */
export interface PackageOptions {
  platform: Platform;
  /** Where it goes. */
  folder: string;
  /** The path of the Deno binary. */
  runtime: string;
}

/** Calls `build` with a function that gives the path of a platform's binary. */
export async function withRuntimes(
  build: (runtimeOf: (platform: Platform) => Promise<string>) => Promise<void>,
): Promise<void> {
  const downloads = await Deno.makeTempDir({ prefix: "evs-runtime-" });
  try {
    await build((platform) => runtimeBinary(platform, downloads));
  } finally {
    await Deno.remove(downloads, { recursive: true });
  }
}

/** `folder` takes what has to be downloaded. */
async function runtimeBinary(platform: Platform, folder: string): Promise<string> {
  if (await isPinned(Deno.execPath(), platform)) return Deno.execPath();
  const name = `@deno/${platform}-glibc@${RUNTIME_VERSION}`;
  const archive = (await run("npm", ["pack", "--silent", name], folder)).trim();
  const target = `${folder}/${platform}`;
  await Deno.mkdir(target);
  await run("tar", ["-xzf", `${folder}/${archive}`, "-C", target], folder);
  const binary = `${target}/package/deno`;
  if (!await isPinned(binary, platform)) throw new Error(`${name} is not the one that is pinned`);
  return binary;
}

async function isPinned(path: string, platform: Platform): Promise<boolean> {
  return await sha256(await Deno.readFile(path)) === CHECKSUMS[platform];
}

/** In hexadecimal digits. */
export async function sha256(bytes: Uint8Array<ArrayBuffer>): Promise<string> {
  return new Uint8Array(await crypto.subtle.digest("SHA-256", bytes)).toHex();
}

async function run(program: string, args: string[], cwd: string): Promise<string> {
  const { success, stdout, stderr } = await new Deno.Command(program, { args, cwd }).output();
  const decoder = new TextDecoder();
  if (!success) throw new Error(`${program} ${args.join(" ")}: ${decoder.decode(stderr)}`);
  return decoder.decode(stdout);
}
