/** A place of its own for a daemon on PostgreSQL, and `evs` there, as a person types it. */
import assert from "node:assert/strict";
import { evs, type EvsResult } from "../../helpers/evs.ts";
import { testFolder } from "../../helpers/folder.ts";

/** Where a daemon's own files are. */
export class DaemonPlace {
  readonly folder: string;
  readonly dataDir: string;
  readonly socket: string;
  readonly config: string;
  /** Of each command. */
  readonly env: Record<string, string>;

  private constructor(folder: string, env: Record<string, string>) {
    this.folder = folder;
    this.dataDir = `${folder}/data`;
    this.socket = `${folder}/evs.sock`;
    this.config = `${folder}/config.toml`;
    this.env = { EVS_CONFIG: this.config, EVS_POSTGRES_PASSWORD: "", PGPASSFILE: "", ...env };
  }

  /** An empty one. */
  static async make(env: Record<string, string> = {}): Promise<DaemonPlace> {
    return new DaemonPlace(await testFolder("test"), env);
  }

  /** Runs a command. */
  run(args: readonly string[], { stdin, env = {} }: {
    stdin?: string;
    env?: Record<string, string>;
  } = {}): Promise<EvsResult> {
    return evs(args, {
      at: this,
      env: { ...this.env, ...env },
      ...stdin === undefined ? {} : { stdin },
    });
  }

  /** The same; it must succeed. Returns what it printed. */
  async ok(args: readonly string[], stdin?: string): Promise<string> {
    const { code, stdout, stderr } = await this.run(args, stdin === undefined ? {} : { stdin });
    assert.equal(code, 0, `evs ${args.join(" ")}: ${stderr}`);
    return stdout;
  }

  /** The lines that it printed, parsed. */
  // deno-lint-ignore no-explicit-any -- tests look into replies freely
  async json(args: readonly string[], stdin?: string): Promise<any[]> {
    const printed = await this.ok(args, stdin);
    return printed.trim().split("\n").filter((line) => line !== "").map((line) => JSON.parse(line));
  }

  /** Ends the daemon, if one runs, and removes the place. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.run(["daemon", "stop"]);
    await Deno.remove(this.folder, { recursive: true });
  }
}
