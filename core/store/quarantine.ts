/**
 * The `quarantine` folder of a data dir: copies of damaged files, taken before anything in them was
 * repaired, and an index that says what was wrong. We never delete anything from it.
 */
import { ifThere } from "../base/if_there.ts";

/** One finding; a line of the index. */
export interface QuarantineEntry {
  /** The name of the damaged file. */
  file: string;
  /** The name of its copy in the folder. */
  copy: string;
  /** What was wrong and what was done. */
  what: string;
  /** Unix ms. */
  foundAt: number;
  /** True once an operator has accepted it: `evs doctor --accept`. */
  accepted: boolean;
  /** There is no copy, because the file or part of it was missing. */
  gone?: boolean;
}

const INDEX = "index.ndjson";

/** The path of the quarantine beside a file. */
export function quarantineBeside(path: string): string {
  const slash = path.lastIndexOf("/");
  return `${slash < 0 ? "." : path.slice(0, slash) || "/"}/quarantine`;
}

/** Copies a file into the quarantine beside it, durably. */
export function keepCopy(path: string, { what, now }: { what: string; now: number }): void {
  const folder = quarantineBeside(path);
  Deno.mkdirSync(folder, { recursive: true, mode: 0o700 });
  const file = path.slice(path.lastIndexOf("/") + 1);
  const copy = freeName(folder, `${file}.${new Date(now).toISOString().replaceAll(/[-:.]/g, "")}`);
  Deno.copyFileSync(path, `${folder}/${copy}`);
  Deno.chmodSync(`${folder}/${copy}`, 0o600);
  sync(`${folder}/${copy}`);
  addLine(folder, { file, copy, what, foundAt: now, accepted: false });
}

/**
 * Records that something is missing, so that it stays known; the same loss is not recorded twice.
 */
export function noteLoss(
  folder: string,
  { file, what, now }: { file: string; what: string; now: number },
): void {
  const known = readQuarantine(folder);
  if (
    known.some((entry) =>
      entry.gone && !entry.accepted && entry.file === file && entry.what === what
    )
  ) {
    return;
  }
  Deno.mkdirSync(folder, { recursive: true, mode: 0o700 });
  const taken = new Set(known.map(({ copy }) => copy));
  const name = `${file}.gone-${new Date(now).toISOString().replaceAll(/[-:.]/g, "")}`;
  let copy = name;
  for (let n = 2; taken.has(copy); n++) copy = `${name}-${n}`;
  addLine(folder, { file, copy, what, foundAt: now, accepted: false, gone: true });
}

/**
 * Moves files that belong together into the quarantine beside them; the first is the damaged one.
 */
export function moveAside(
  paths: readonly string[],
  { what, now }: { what: string; now: number },
): void {
  const [path] = paths;
  const folder = quarantineBeside(path!);
  Deno.mkdirSync(folder, { recursive: true, mode: 0o700 });
  const file = path!.slice(path!.lastIndexOf("/") + 1);
  const copy = freeName(folder, `${file}.${new Date(now).toISOString().replaceAll(/[-:.]/g, "")}`);
  // Write the entry first: a crash in between leaves an entry for files that are still in place.
  addLine(folder, { file, copy, what, foundAt: now, accepted: false });
  for (const one of paths) {
    ifThere(() => Deno.renameSync(one, `${folder}/${copy}${one.slice(path!.length)}`));
  }
  sync(folder);
}

/** The entries in the quarantine of a data dir; empty if there is none. */
export function readQuarantine(folder: string): QuarantineEntry[] {
  const text = ifThere(() => Deno.readTextFileSync(`${folder}/${INDEX}`)) ?? "";
  const entries = new Map<string, QuarantineEntry>();
  for (const line of text.split("\n")) {
    // Skip a line that a crash cut short: its copy is still there.
    const entry = parse(line);
    if (entry) entries.set(entry.copy, entry);
  }
  return [...entries.values()];
}

/** Accepts everything in the quarantine. */
export function acceptQuarantine(folder: string): void {
  for (const entry of readQuarantine(folder)) {
    if (!entry.accepted) addLine(folder, { ...entry, accepted: true });
  }
}

function parse(line: string): QuarantineEntry | undefined {
  try {
    const value = JSON.parse(line) as Partial<QuarantineEntry> | null;
    return typeof value?.copy === "string" ? value as QuarantineEntry : undefined;
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

function freeName(folder: string, name: string): string {
  const taken = new Set([...Deno.readDirSync(folder)].map((entry) => entry.name));
  let free = name;
  for (let n = 2; taken.has(free); n++) free = `${name}-${n}`;
  return free;
}

function addLine(folder: string, entry: QuarantineEntry): void {
  const before = ifThere(() => Deno.readTextFileSync(`${folder}/${INDEX}`)) ?? "";
  // A crash or a full disk may have cut the last line short: this one is not to end it.
  const begin = before === "" || before.endsWith("\n") ? "" : "\n";
  Deno.writeTextFileSync(`${folder}/${INDEX}`, `${begin}${JSON.stringify(entry)}\n`, {
    append: true,
    mode: 0o600,
  });
  sync(`${folder}/${INDEX}`);
  sync(folder);
}

function sync(path: string): void {
  const file = Deno.openSync(path, { read: true });
  try {
    file.syncSync();
  } finally {
    file.close();
  }
}
