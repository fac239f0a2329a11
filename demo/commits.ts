/**
 * Prints the newest commits of this repository as NDJSON, or the project's own files if there is no
 * history.
 */

/** One line of the demo's input. */
export interface Commit {
  commit: string;
  author: string;
  subject: string;
}

const MOST = 40;
const FEWEST = 5;

/**
 * The history of the repository in `folder`, oldest first; undefined if git or the history is
 * missing.
 */
function history(folder: string): Commit[] | undefined {
  try {
    const { success, stdout } = new Deno.Command("git", {
      args: ["-C", folder, "log", `--max-count=${MOST}`, "--reverse", "--format=%h%x1f%an%x1f%s"],
      stdout: "piped",
      stderr: "null",
    }).outputSync();
    if (!success) return undefined;
    return new TextDecoder().decode(stdout).trim().split("\n").map((line) => {
      const [commit = "", author = "", subject = ""] = line.split("\x1f");
      return { commit, author, subject };
    });
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined; // no git on this machine
    throw error;
  }
}

/** The files of a folder, as if each were a commit. */
function files(folder: string): Commit[] {
  const found: Commit[] = [];
  for (const area of ["core", "daemon", "commands"]) {
    for (const { name, isFile } of Deno.readDirSync(`${folder}/${area}`)) {
      if (isFile) found.push({ commit: name, author: area, subject: `Add ${area}/${name}` });
    }
  }
  return found.sort((a, b) => a.subject < b.subject ? -1 : 1).slice(0, MOST);
}

/** The demo's input. */
export function commits(folder: string): Commit[] {
  const found = history(folder) ?? [];
  return found.length >= FEWEST ? found : files(folder);
}

if (import.meta.main) {
  const folder = new URL("..", import.meta.url).pathname;
  const lines = commits(folder).map((commit) => `${JSON.stringify(commit)}\n`).join("");
  await new Response(lines).body!.pipeTo(Deno.stdout.writable);
}
