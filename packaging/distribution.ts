/** What a release has besides packages: the install script, Homebrew's formula, the Containerfile. */
import { configuration, project } from "./project.ts";
import { sha256 } from "./runtime.ts";
import { textFile, type Tree } from "./tree.ts";

/**
 * Where the files of a release will be downloaded from, unless `--base-url` says it: a name that
 * leads nowhere.
 */
export const BASE_URL = "https://env-event-stream.invalid";

/** The address that `--base-url` names, without a slash at its end. Throws if it is none. */
export function parseBaseUrl(value: string): string {
  if (!/^(https?|file):\/\//.test(value) || !URL.canParse(value) || /["#@\\\s]/.test(value)) {
    throw new Error(`${value} is no http, https or file address`);
  }
  return value.replace(/\/+$/, "");
}

/** The files, by name. `npm` is the npm package. */
export async function distributionFiles(
  { npm, baseUrl }: { npm: Uint8Array; baseUrl: string },
): Promise<Tree> {
  const read = (path: string) => Deno.readTextFile(`${project}/packaging/${path}`);
  const values: Record<string, string> = {
    BASE: baseUrl,
    VERSION: (await configuration()).version,
    SHA256: await sha256(new Uint8Array(npm)),
  };
  const formula = (await read("homebrew/evs.rb")).replace(/@([A-Z0-9]+)@/g, (_, name: string) => {
    const value = values[name];
    if (value === undefined) throw new Error(`the formula asks for ${name}`);
    return value;
  });
  return new Map([
    ["Containerfile", textFile(await read("Containerfile"))],
    ["evs.rb", textFile(formula)],
    ["install.sh", textFile(await read("install.sh"), { executable: true })],
  ]);
}
