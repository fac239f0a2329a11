/**
 * Whether mutants are written correctly: with names that exist. One that is not throws as soon as
 * it runs, so any test would kill it, and nothing is known of the promise. Types may be wrong.
 *
 * Checking types takes long, so all mutants that do not touch each other are checked at once.
 */
import { join } from "node:path";
import { testFolder } from "../helpers/folder.ts";
import { isModule, type Mutant } from "./mutant.ts";
import { TreeCopy } from "./tree_copy.ts";

/** The compiler's numbers for names that do not exist: variables, members, exports, modules. */
const NO_SUCH_NAME = [2304, 2305, 2307, 2339, 2551, 2552, 2662, 2663, 18004];

/** A mutant in the text of its file: where its text begins, and where it ended before. */
interface Placed {
  mutant: Mutant;
  at: number;
  end: number;
}

/** What the compiler says of a place. */
interface Complaint {
  code: number;
  message: string;
  file: string;
  line: number;
}

/** What is wrong with the mutants, in words: `name: Cannot find name 'foo'.` */
export async function wronglyWritten(root: string, mutants: readonly Mutant[]): Promise<string[]> {
  const folder = await testFolder("test");
  try {
    const copy = await TreeCopy.of(root, join(folder, "tree"));
    const texts = new Map<string, string>();
    const checked = mutants.filter(({ file }) => isModule(file));
    for (const { file } of checked) texts.set(file, await copy.read(file));
    const wrong: string[] = [];
    for (const round of roundsOf(checked, texts)) {
      wrong.push(...await checkRound(copy.root, round, texts));
    }
    return wrong;
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

/** Mutants that do not touch each other, as few times as possible. A stale one is left out. */
export function roundsOf(
  mutants: readonly Mutant[],
  texts: ReadonlyMap<string, string>,
): Placed[][] {
  const rounds: Placed[][] = [];
  for (const mutant of mutants) {
    const at = texts.get(mutant.file)!.indexOf(mutant.from);
    if (at < 0) continue;
    const placed = { mutant, at, end: at + mutant.from.length };
    const round = rounds.find((round) => round.every((other) => !touches(placed, other)));
    if (round) round.push(placed);
    else rounds.push([placed]);
  }
  return rounds;
}

function touches(a: Placed, b: Placed): boolean {
  return a.mutant.file === b.mutant.file && a.at <= b.end && b.at <= a.end;
}

async function checkRound(
  root: string,
  round: readonly Placed[],
  texts: ReadonlyMap<string, string>,
): Promise<string[]> {
  const files = [...new Set(round.map(({ mutant }) => mutant.file))];
  /** The mutants of each line. */
  const lines = new Map<string, Mutant>();
  for (const file of files) {
    const text = texts.get(file)!;
    let [changed, from] = ["", 0];
    const inOrder = round.filter(({ mutant }) => mutant.file === file).sort((a, b) => a.at - b.at);
    for (const { mutant, at, end } of inOrder) {
      changed += text.slice(from, at);
      const first = lineOf(changed);
      changed += mutant.to;
      for (let line = first; line <= lineOf(changed); line++) lines.set(`${file}:${line}`, mutant);
      from = end;
    }
    await Deno.writeTextFile(join(root, file), changed + text.slice(from));
  }
  try {
    const complaints = await check(root, files);
    return complaints.map(({ file, line, message }) => {
      const name = lines.get(`${file}:${line}`)?.name;
      return name === undefined ? `${file}:${line}: ${message}` : `${name}: ${message}`;
    });
  } finally {
    for (const file of files) await Deno.writeTextFile(join(root, file), texts.get(file)!);
  }
}

function lineOf(text: string): number {
  return text.split("\n").length;
}

async function check(root: string, files: readonly string[]): Promise<Complaint[]> {
  const { success, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["check", "--quiet", "--lock=tests/deno.lock", "--frozen", ...files],
    cwd: root,
    env: { NO_COLOR: "1" },
    stdout: "null",
  }).output();
  const said = new TextDecoder().decode(stderr);
  const complaints = readComplaints(said, root);
  if (!success && complaints.length === 0) throw new Error(`deno check: ${said}`);
  return complaints.filter(({ code, message }) =>
    // Nothing is left of a type where a mutant makes a condition that never holds.
    NO_SUCH_NAME.includes(code) && !/on type 'never'/.test(message)
  );
}

/** What `deno check` has printed of files below `root`. */
export function readComplaints(text: string, root: string): Complaint[] {
  const complaint =
    /^TS(\d+) \[ERROR\]: ([^\n]*)\n(?:(?!TS\d).*\n)*?\s+at file:\/\/(.*):(\d+):\d+$/gm;
  return Array.from(text.matchAll(complaint), ([, code, message, path, line]) => ({
    code: Number(code),
    message: message!,
    file: path!.startsWith(`${root}/`) ? path!.slice(root.length + 1) : path!,
    line: Number(line),
  }));
}
