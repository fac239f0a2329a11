/**
 * The file with a scraper's token. It is made once and outlives restarts, so that Prometheus needs
 * to be told of it once.
 */
import { EvsError, ExitCode } from "../../core/base/errors.ts";
import { shellQuote } from "../../core/base/shell_quote.ts";
import { randomSecret } from "./secrets.ts";

/** Shorter ones could be guessed. */
const SHORTEST = 32;

/** The token in the file, which is made if there is none. Throws if others can read it. */
export async function scraperTokenIn(path: string): Promise<string> {
  try {
    // For its owner alone.
    await Deno.writeTextFile(path, randomSecret() + "\n", { createNew: true, mode: 0o600 });
  } catch (error) {
    if (!(error instanceof Deno.errors.AlreadyExists)) throw unusable(path, error);
  }
  using opened = await openFile(path);
  const { mode, uid, size } = await opened.stat();
  if (size > 4096) throw unusable(path, "it is larger than a token");
  if (uid !== null && uid !== Deno.uid() && uid !== 0) {
    throw unusable(path, "it belongs to another user");
  }
  // A group may read it: Prometheus runs as a user of its own.
  if (((mode ?? 0) & 0o027) !== 0) {
    throw unusable(path, "others can read or write it", `chmod o=,g-wx ${shellQuote(path)}`);
  }
  const token = (await new Response(opened.readable).text()).trim();
  if (token.length >= SHORTEST && /^[\w.~+/=-]+$/.test(token)) return token;
  throw unusable(
    path,
    `what it has is no token: one line of at least ${SHORTEST} letters and digits`,
    `rm ${shellQuote(path)}, and a new one is made`,
  );
}

/** Opens a regular file. A pipe with a name would be waited for until somebody writes to it. */
async function openFile(path: string): Promise<Deno.FsFile> {
  try {
    const { isFile } = await Deno.stat(path);
    if (isFile) return await Deno.open(path, { read: true });
  } catch (error) {
    throw unusable(path, error);
  }
  throw unusable(path, "it is no regular file");
}

function unusable(path: string, why: unknown, hint?: string): EvsError {
  const reason = why instanceof Error ? why.message : String(why);
  return new EvsError(
    { code: "dashboard/token-file", status: 400, exit: ExitCode.Usage },
    `the token file ${path} cannot be used: ${reason}`,
    { hint, cause: why instanceof Error ? why : undefined },
  );
}
