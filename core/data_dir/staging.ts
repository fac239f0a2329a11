/**
 * The folder in which a backup is put together: `NAME.part-PID` beside what it becomes, locked
 * while somebody works on it. What a killed backup leaves behind is known by its name, its content
 * and a lock that nobody holds, and the next backup removes it.
 */

/** Ours by its name. */
const NAME = /\.part-\d+$/;
/** What a backup puts there. */
const CONTENT = /^(?:(?:state|events)\.db(?:-wal|-shm|-journal)?|events|archive|watermarks|parts)$/;

/** A staging folder in use. */
export interface Staging extends Disposable {
  readonly path: string;
}

/**
 * Makes `NAME.part-PID`, for the owner alone; it is removed when it is disposed of. Throws what the
 * system says.
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

/** The staging folders in a folder that nobody works on any more. */
export function leftBehind(folder: string): string[] {
  const found: string[] = [];
  for (const { name, isDirectory } of entriesOf(folder)) {
    const path = `${folder}/${name}`;
    if (isDirectory && NAME.test(name) && isAbandoned(path)) found.push(path);
  }
  return found.sort();
}

/** Removes them; what is another's or cannot be removed stays. */
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

/** What is in a folder; nothing where it cannot be read. */
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
