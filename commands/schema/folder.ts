/** A folder of schemas, as a project keeps them in git: maps each file to its type and version. */
import { InvalidArgumentError } from "../../core/base/errors.ts";
import { compareVersions } from "../../core/schema/version.ts";

/** The file of one schema. */
export interface SchemaFile {
  path: string;
  type: string;
  version: string | undefined;
}

/**
 * `TYPE.json`, `TYPE@VERSION.json` and `TYPE/VERSION.json`, by type, oldest version first, so that
 * each is compared with the one before it. Any other file that ends in `.json` is an error, because
 * its schema would be silently missing.
 */
export async function schemaFiles(folder: string): Promise<SchemaFile[]> {
  const found: SchemaFile[] = [];
  for (const entry of await entries(folder)) {
    const path = `${folder.replace(/\/+$/, "")}/${entry.name}`;
    if (entry.isDirectory && !entry.name.startsWith(".")) {
      for (const below of await entries(path)) {
        const version = nameOf(below.name);
        if (version === undefined) continue;
        found.push({ path: `${path}/${below.name}`, type: entry.name, version });
      }
      continue;
    }
    const name = nameOf(entry.name);
    if (name === undefined) continue;
    const at = name.lastIndexOf("@");
    found.push({
      path,
      type: at < 0 ? name : name.slice(0, at),
      version: at < 0 ? undefined : name.slice(at + 1),
    });
  }
  if (found.length === 0) {
    throw new InvalidArgumentError(`there is no schema in ${folder}`, {
      code: "argument/usage",
      hint: "schemas are TYPE.json, TYPE@VERSION.json or TYPE/VERSION.json",
    });
  }
  return found.sort((a, b) =>
    a.type < b.type ? -1 : a.type > b.type ? 1 : order(a.version, b.version)
  );
}

/** A file without a version is the next version, so it comes last. */
function order(a: string | undefined, b: string | undefined): number {
  if (a === undefined || b === undefined) return a === b ? 0 : a === undefined ? 1 : -1;
  return compareVersions(a, b);
}

function nameOf(file: string): string | undefined {
  return /^([^.].*)\.json$/.exec(file)?.[1];
}

async function entries(folder: string): Promise<Deno.DirEntry[]> {
  try {
    return await Array.fromAsync(Deno.readDir(folder));
  } catch (cause) {
    const reason = cause instanceof Deno.errors.NotFound
      ? "there is no such folder"
      : cause instanceof Error && "code" in cause && cause.code === "ENOTDIR"
      ? "it is not a folder"
      : cause instanceof Error
      ? cause.message
      : String(cause);
    throw new InvalidArgumentError(`cannot read ${folder}: ${reason}`, {
      code: "argument/unreadable-file",
      cause,
      hint: "evs schema register TYPE FILE, or a folder of schemas",
    });
  }
}
