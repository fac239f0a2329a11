/** A copy of the program that a test may replace or remove, like an installation. */
import { project } from "./shell.ts";

/** What `evs` needs. */
const PARTS = ["bin", "cli.ts", "commands", "core", "daemon", "schemas", "deno.json", "deno.lock"];

/** One installation. */
export class ProgramCopy {
  readonly folder: string;

  private constructor(folder: string) {
    this.folder = folder;
  }

  /** Makes one in a folder that does not exist yet. */
  static async make(folder: string): Promise<ProgramCopy> {
    await Deno.mkdir(folder);
    const { success } = await new Deno.Command("cp", {
      args: ["-r", ...PARTS.map((name) => `${project}/${name}`), folder],
    }).output();
    if (!success) throw new Error(`the program could not be copied to ${folder}`);
    return new ProgramCopy(folder);
  }

  /** Its `evs`. */
  get evs(): string {
    return `${this.folder}/bin/evs`;
  }

  /** Installs another version over it, in the same files. */
  async upgrade(version: string): Promise<void> {
    const file = `${this.folder}/core/base/version.ts`;
    const text = await Deno.readTextFile(file);
    await Deno.writeTextFile(file, text.replace(/"\d+\.\d+\.\d+"/, JSON.stringify(version)));
  }

  /** Replaces every module of the daemon's by one that cannot be loaded. */
  async spoil(): Promise<void> {
    for (const part of ["core", "daemon"]) await spoilFolder(`${this.folder}/${part}`);
  }

  /** Removes it. */
  async remove(): Promise<void> {
    await Deno.remove(this.folder, { recursive: true });
  }
}

async function spoilFolder(folder: string): Promise<void> {
  for await (const { name, isDirectory } of Deno.readDir(folder)) {
    const path = `${folder}/${name}`;
    if (isDirectory) await spoilFolder(path);
    else await Deno.writeTextFile(path, 'throw new Error("of another version");\n');
  }
}
