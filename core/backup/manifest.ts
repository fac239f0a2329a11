/** A backup's table of contents: its first file, `manifest.json`. */
import { createHash } from "node:crypto";
import { DataDirError } from "../base/errors.ts";

/** The backup format that this version writes. */
export const BACKUP_FORMAT = 1;
export const MANIFEST = "manifest.json";

/** The latest time that a JavaScript Date can represent, Unix ms. */
const LAST_MOMENT = 8.64e15;

/** One file of a backup. */
export interface BackedUpFile {
  /** Its path in the data dir. */
  path: string;
  size: number;
  sha256: string;
}

/** A backup's description of itself. */
export interface Manifest {
  format: number;
  /** The version of evs. */
  version: string;
  /** Unix ms. */
  createdAt: number;
  topics: number;
  events: number;
  files: BackedUpFile[];
}

/** The paths that a backup may contain; nothing else is ever written. */
const PATHS = new RegExp(
  [
    String.raw`^(?:events\.db|state\.db)$`,
    String.raw`^events/(?:format|%accepted|%skew|%batch)$`,
    String.raw`^events/[a-z0-9._%-]{1,170}/(?:head|counts|\d{16}\.(?:ndjson|index|lookup))$`,
    String.raw`^spool/(?:refused/)?[0-9a-f-]{1,60}\.spool$`,
  ].join("|"),
);

/**
 * Parses a manifest. Throws `DataDirError` if it is not one, has a newer format, or contains a path
 * that is not allowed.
 */
export function parseManifest(text: string): Manifest {
  let manifest: Manifest;
  try {
    manifest = JSON.parse(text);
  } catch (cause) {
    throw notOurs("its manifest is not JSON", cause);
  }
  if (typeof manifest?.format !== "number" || !Array.isArray(manifest.files)) {
    throw notOurs("it has no evs manifest");
  }
  if (manifest.format > BACKUP_FORMAT) {
    throw new DataDirError(
      "datadir/newer-format",
      `the backup has format ${manifest.format}, and this version reads up to ${BACKUP_FORMAT}`,
      { hint: "use the newer version of evs that made it" },
    );
  }
  for (const name of ["format", "createdAt", "topics", "events"] as const) {
    const value: unknown = manifest[name];
    const most = name === "createdAt" ? LAST_MOMENT : Number.MAX_SAFE_INTEGER;
    if (Number.isSafeInteger(value) && (value as number) >= 0 && (value as number) <= most) {
      continue;
    }
    throw notOurs(`${name} in its manifest is not a valid number`);
  }
  const seen = new Set<string>();
  for (const file of manifest.files as unknown[]) {
    const path = (file as { path?: unknown } | null)?.path;
    const parts = typeof path === "string" && PATHS.test(path) ? path.split("/") : [".."];
    if (parts.includes("..") || parts.includes(".")) {
      throw notOurs(`it holds ${JSON.stringify(path)}, which is not a file of a data dir`);
    }
    if (seen.has(path as string)) throw notOurs(`it holds ${path} twice`);
    seen.add(path as string);
  }
  return manifest;
}

function notOurs(why: string, cause?: unknown): DataDirError {
  return new DataDirError("datadir/damaged", `this is not a backup of evs: ${why}`, {
    cause,
    hint: "choose a file that evs backup made; nothing was changed",
  });
}

/** Hashes bytes as they arrive. */
export class Sha256 {
  readonly #hash = createHash("sha256");

  add(bytes: Uint8Array): void {
    this.#hash.update(bytes);
  }

  /** The hash in hexadecimal. */
  get(): string {
    return this.#hash.digest("hex");
  }
}

/** The hash of a file. */
export function sha256Of(path: string): string {
  const sum = new Sha256();
  const file = Deno.openSync(path, { read: true });
  try {
    const buffer = new Uint8Array(1024 * 1024);
    for (let n = file.readSync(buffer); n !== null; n = file.readSync(buffer)) {
      sum.add(buffer.subarray(0, n));
    }
  } finally {
    file.close();
  }
  return sum.get();
}
