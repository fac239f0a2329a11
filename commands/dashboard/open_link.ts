/**
 * `--open`: shows the link in the user's browser. Everybody on the machine can read a process's
 * arguments, so the browser is given a file, which only its owner can read, and that leads on.
 */

/** Programs that open a file with whatever the user has chosen for it. */
const OPENERS = Deno.build.os === "darwin" ? ["open"] : ["xdg-open"];

/** A file that leads to the link. */
export class LinkFile implements AsyncDisposable {
  readonly path: string;
  readonly #folder: string;

  private constructor(folder: string) {
    this.#folder = folder;
    this.path = `${folder}/evs-dashboard.html`;
  }

  /** Makes it, in a folder that nobody else can enter. */
  static async make(link: string): Promise<LinkFile> {
    const file = new LinkFile(await Deno.makeTempDir({ prefix: "evs-dashboard-" }));
    await Deno.writeTextFile(
      file.path,
      `<!doctype html><meta charset="utf-8"><meta name="referrer" content="no-referrer">` +
        `<meta http-equiv="refresh" content="0;url=${link}"><title>evs</title>\n`,
      { mode: 0o600, createNew: true },
    );
    return file;
  }

  /** Opens it. Resolves with why it could not be opened, or undefined. */
  async open(): Promise<string | undefined> {
    const [program] = OPENERS;
    try {
      const { success, code } = await new Deno.Command(program!, {
        args: [this.path],
        stdin: "null",
        stdout: "null",
        stderr: "null",
      }).output();
      return success ? undefined : `${program} ended with ${code}`;
    } catch (error) {
      if (error instanceof Deno.errors.NotFound) return `${program} is not installed`;
      throw error;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    try {
      await Deno.remove(this.#folder, { recursive: true });
    } catch (error) {
      // It is in a folder that others clean up, too.
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    }
  }
}
