/**
 * The files of the page (dashboard/dist). They are read once, at the start: an upgrade replaces
 * them while this process goes on.
 */
import { createHash } from "node:crypto";
import { programFile } from "../../core/base/program.ts";

/** A file as it is served. */
export interface Asset {
  contentType: string;
  content: Uint8Array;
  /** Changes with the content. */
  etag: string;
}

const FILES = [
  { path: "/", file: "dashboard/dist/index.html", contentType: "text/html; charset=utf-8" },
  { path: "/app.js", file: "dashboard/dist/app.js", contentType: "text/javascript; charset=utf-8" },
  { path: "/app.css", file: "dashboard/dist/app.css", contentType: "text/css; charset=utf-8" },
  { path: "/icon.svg", file: "dashboard/dist/icon.svg", contentType: "image/svg+xml" },
];

/** Reads them; by their paths. */
export async function readAssets(): Promise<ReadonlyMap<string, Asset>> {
  const assets = FILES.map(async ({ path, file, contentType }): Promise<[string, Asset]> => {
    const content = await Deno.readFile(programFile(file));
    const etag = `"${createHash("sha256").update(content).digest("base64url")}"`;
    return [path, { contentType, content, etag }];
  });
  return new Map(await Promise.all(assets));
}
