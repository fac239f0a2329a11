/**
 * The folder in which a backup is assembled: `NAME.part-PID`, beside the final file, locked while
 * in use. A folder left behind by a killed backup is recognized by its name, its content and a lock
 * that nobody holds; the next backup removes it.
 */

/** Matches the names of our staging folders. */
const NAME = /\.part-\d+$/;
/** Matches what a backup puts in one. */
const CONTENT =
  /^(?:(?:state|events)\.db(?:-wal|-shm|-journal)?|events|spool|archive|watermarks|parts)$/;

/** A staging folder in use. */
export interface Staging extends Disposable {
  readonly path: string;
}

/**
 * Creates `NAME.part-PID`, accessible to the owner only; disposing of it removes it. Throws
 * whatever the system reports.
 */
export function makeStaging(name: string): Staging {
  const path = `${name}.part-${Deno.pid}`;
  Deno.mkdirSync(path, { mode: 0o700 });
  const lock = Deno.openSync(path, { read: true });
  lock.tryLockSync(true);
  return {
    path,
    [Symbol.dispose]() {
      Deno.removeSync(path, { recursive: true });
      lock.close();
    },
  };
}

/** Staging folders in `folder` that nobody is working on any more. */
export function leftBehind(folder: string): string[] {
  const found: string[] = [];
  for (const { name, isDirectory } of entriesOf(folder)) {
    const path = `${folder}/${name}`;
    if (isDirectory && NAME.test(name) && isAbandoned(path)) found.push(path);
  }
  return found.sort();
}

/** Removes them. Those of another user, or that cannot be removed, stay. */
export function removeLeftBehind(folder: string): void {
  for (const path of leftBehind(folder)) {
    try {
      Deno.removeSync(path, { recursive: true });
    } catch (error) {
      const { NotFound, PermissionDenied } = Deno.errors;
      if (!(error instanceof NotFound || error instanceof PermissionDenied)) throw error;
    }
  }
}

function isAbandoned(path: string): boolean {
  if (!entriesOf(path).every(({ name }) => CONTENT.test(name))) return false;
  try {
    using lock = Deno.openSync(path, { read: true });
    return lock.tryLockSync(true);
  } catch (error) {
    const { NotFound, PermissionDenied } = Deno.errors;
    if (error instanceof NotFound || error instanceof PermissionDenied) return false;
    throw error;
  }
}

/** The entries of a folder; empty if it cannot be read. */
function entriesOf(folder: string): Deno.DirEntry[] {
  try {
    return [...Deno.readDirSync(folder)];
  } catch (error) {
    const { NotFound, NotADirectory, PermissionDenied } = Deno.errors;
    if ([NotFound, NotADirectory, PermissionDenied].some((kind) => error instanceof kind)) {
      return [];
    }
    throw error;
  }
}
