/**
 * The password of a database that is named by a URL without one: from the environment, from the
 * daemon's config file, or from a password file as `psql` reads it. It is never on a command line,
 * where other users of the machine see it, nor in a file that others can read.
 */
import { InvalidArgumentError } from "../base/errors.ts";
import { PASSWORD_VARIABLE } from "../protocol/database_url.ts";
import { type DatabaseTarget, readTarget } from "./url.ts";

/** Longer than any real password file, bytes. */
const LONGEST_FILE = 1024 * 1024;
const OTHERS = 0o077;

/** Where a password may be, the first that has one counts. */
export interface PasswordSources {
  /** From the environment. */
  variable?: string | undefined;
  /** From the config file. */
  configured?: string | undefined;
  /** The path of a password file; absent: there is none. */
  passfile?: string | undefined;
}

/** The password for a database; undefined if no source has one. */
export function passwordFor(
  target: DatabaseTarget,
  { variable, configured, passfile }: PasswordSources,
): string | undefined {
  const given = variable || configured;
  if (given || !passfile) return given || undefined;
  return passwordIn(readPassfile(passfile), target);
}

/** Reads a URL that anybody may see. Throws `InvalidArgumentError` if it has a password in it. */
export function readPublicUrl(url: string): DatabaseTarget {
  const target = readTarget(url);
  if (target.password === undefined) return target;
  throw new InvalidArgumentError(
    "the URL of the database has a password in it, which others could read there",
    {
      code: "postgres/password-in-url",
      hint: `leave it out of the URL, and set ${PASSWORD_VARIABLE}, or PGPASSFILE, or ` +
        "password under [postgres] in the config file; change it if others may have seen it",
    },
  );
}

/**
 * The password for a database in the lines `host:port:database:user:password` of a password file:
 * that of the first line that fits. `*` fits everything, and `\` takes the next character as it is.
 * Pure.
 */
export function passwordIn(
  lines: string,
  { host, port, database, user }: Pick<DatabaseTarget, "host" | "port" | "database" | "user">,
): string | undefined {
  // As psql does: a server that is reached by a Unix socket is the one on this machine.
  const wanted = [host.startsWith("/") ? "localhost" : host, String(port), database, user];
  for (const line of lines.split(/\r?\n/)) {
    if (line.startsWith("#")) continue;
    const fields = fieldsOf(line);
    if (fields.length < 5) continue;
    const fits = wanted.every((value, at) => fields[at] === "*" || fields[at] === value);
    if (fits) return fields[4];
  }
  return undefined;
}

/** Splits at colons that no backslash precedes. */
function fieldsOf(line: string): string[] {
  const fields: string[] = [];
  let field = "";
  for (let at = 0; at < line.length; at++) {
    const char = line[at]!;
    if (char === ":") {
      fields.push(field);
      field = "";
    } else field += char === "\\" && at + 1 < line.length ? line[++at] : char;
  }
  return [...fields, field];
}

function readPassfile(path: string): string {
  let info: Deno.FileInfo;
  let text: string;
  try {
    info = Deno.statSync(path);
    text = info.isFile && info.size <= LONGEST_FILE ? Deno.readTextFileSync(path) : "";
  } catch (cause) {
    if (cause instanceof Deno.errors.NotFound) {
      throw unusable(`PGPASSFILE names ${path}, which is not there`, cause);
    }
    if (!(cause instanceof Deno.errors.PermissionDenied)) throw cause;
    throw unusable(`PGPASSFILE names ${path}, which this user may not read`, cause);
  }
  if (!info.isFile) throw unusable(`PGPASSFILE names ${path}, which is not a plain file`);
  if (info.size > LONGEST_FILE) throw unusable(`PGPASSFILE names ${path}, which is over 1 MiB`);
  if (((info.mode ?? 0) & OTHERS) === 0) return text;
  throw unusable(`${path} has passwords in it, and others may read it: chmod 600 ${path}`);
}

function unusable(message: string, cause?: unknown): InvalidArgumentError {
  return new InvalidArgumentError(message, {
    code: "postgres/password-file",
    hint: `make it: touch FILE; chmod 600 FILE; a line is HOST:PORT:DATABASE:USER:PASSWORD`,
    cause,
  });
}
