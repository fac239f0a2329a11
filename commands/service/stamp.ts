/**
 * The first line of each file that `evs service` writes. It carries a checksum of the rest, so that
 * a file that somebody edited is recognised and kept.
 */
import { VERSION } from "../../core/base/version.ts";

/** What a file on disk is to us. */
export type FileOrigin = "ours" | "edited" | "foreign";

const FIRST_LINE = /^# Made by evs service, version \S+, checksum ([0-9a-f]{16})\n/;

/** The text with its first line. */
export async function stamped(text: string): Promise<string> {
  return `# Made by evs service, version ${VERSION}, checksum ${await checksum(text)}\n${text}`;
}

/** Tells what wrote a file, and whether anybody has changed it since. */
export async function originOf(text: string): Promise<FileOrigin> {
  const line = FIRST_LINE.exec(text);
  if (line === null) return "foreign";
  return await checksum(text.slice(line[0].length)) === line[1] ? "ours" : "edited";
}

/** The first half of its SHA-256: enough to notice an edit; it protects from nobody. */
async function checksum(text: string): Promise<string> {
  const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text));
  return new Uint8Array(digest).subarray(0, 8).toHex();
}
