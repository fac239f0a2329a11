/** The checkout that packages are built from, and what stands in its configuration. */

/** Its folder. */
export const project: string = decodeURIComponent(new URL("..", import.meta.url).pathname)
  .replace(/\/$/, "");

/** What packages need of deno.json. */
export interface Configuration {
  version: string;
  license: string;
  imports: Record<string, string>;
}

/** Reads it. */
export async function configuration(): Promise<Configuration> {
  return JSON.parse(await Deno.readTextFile(`${project}/deno.json`));
}

/** The version of Deno that packages are made for, and that they bring along. */
export const RUNTIME_VERSION = "2.9.6";
