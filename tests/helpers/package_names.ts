/** What the files of a release are named after: the version, and the platform of this machine. */
import type { Platform } from "../../packaging/runtime.ts";
import { project } from "./shell.ts";

/** The version of this checkout. */
export const { version }: { version: string } = JSON.parse(
  Deno.readTextFileSync(`${project}/deno.json`),
);

/** The platform of this machine. */
export const platform: Platform = Deno.build.arch === "aarch64" ? "linux-arm64" : "linux-x64";
