/** Changes the file of contexts: whole or not at all, and one change after another. */
import { InvalidArgumentError } from "../../core/base/errors.ts";
import { exists } from "../../core/base/if_there.ts";
import { shellQuote } from "../../core/base/shell_quote.ts";
import { contextsFile, folderOf } from "../../core/protocol/paths.ts";
import { type ContextPlaces, type Contexts, readContexts } from "./contexts.ts";

/** As many as the kernel follows. */
const MOST_LINKS = 40;

/** Applies a change and returns the contexts after it. A change that throws changes nothing. */
export function changeContexts(
  env: (name: string) => string | undefined,
  change: (contexts: { current?: string; places: Map<string, ContextPlaces> }) => void,
): Contexts {
  const file = writableFile(env);
  Deno.mkdirSync(folderOf(file), { recursive: true, mode: 0o700 });
  // Two at the same time would each write what the other does not know.
  const lockFile = `${file}.lock`;
  // Opening a FIFO would wait for whoever reads from it.
  if (exists(lockFile) && !Deno.lstatSync(lockFile).isFile) throw notOurs(lockFile);
  using lock = Deno.openSync(lockFile, { create: true, write: true, mode: 0o600 });
  lock.lockSync(true);
  const before = readContexts(file);
  const contexts = { current: before.current, places: new Map(before.places) };
  change(contexts);
  write(file, contexts);
  return contexts;
}

function writableFile(env: (name: string) => string | undefined): string {
  const file = contextsFile(env);
  if (file === undefined) {
    throw new InvalidArgumentError("HOME is not set, so nothing says where contexts are kept", {
      code: "context/no-home",
      hint: "set XDG_CONFIG_HOME or HOME",
    });
  }
  // A link, as people who share their settings have, stays one.
  return exists(file) ? targetOf(file, file) : file;
}

/** The file that a link names, in the end; it need not be there yet, but its folder. */
function targetOf(link: string, file: string, steps = 0): string {
  try {
    return Deno.realPathSync(file);
  } catch (error) {
    const isLink = exists(file) && Deno.lstatSync(file).isSymlink;
    if (isLink && steps < MOST_LINKS) {
      const target = Deno.readLinkSync(file);
      const next = target.startsWith("/") ? target : `${folderOf(file)}/${target}`;
      return targetOf(link, next, steps + 1);
    }
    if (!isLink && exists(folderOf(file))) return file;
    throw new InvalidArgumentError(`${link} is a link that leads nowhere; nothing was changed`, {
      code: "context/invalid-file",
      hint: isLink
        ? `look at it, then remove it: ls -l ${shellQuote(link)}`
        : `mkdir -p ${shellQuote(folderOf(file))}, or remove the link ${shellQuote(link)}`,
      details: { file: link },
      cause: error,
    });
  }
}

function notOurs(file: string): InvalidArgumentError {
  return new InvalidArgumentError(`${file} is no file of ours`, {
    code: "context/invalid-file",
    hint: `look at it, then remove it: ls -l ${shellQuote(file)}`,
    details: { file },
  });
}

/** Replaced as a whole: whoever reads meanwhile finds the old file or the new one. */
function write(file: string, { current, places }: Contexts): void {
  const text = JSON.stringify({ current, contexts: Object.fromEntries(places) }, null, 2);
  // Made anew: what is there already may be a link to something else.
  const made = `${file}.${Deno.pid}.new`;
  if (exists(made)) Deno.removeSync(made);
  {
    using output = Deno.openSync(made, { createNew: true, write: true, mode: 0o600 });
    const bytes = new TextEncoder().encode(`${text}\n`);
    for (let written = 0; written < bytes.length;) {
      written += output.writeSync(bytes.subarray(written));
    }
    output.syncDataSync();
  }
  Deno.renameSync(made, file);
}
