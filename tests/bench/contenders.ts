/** Who is measured: our daemon, and a Redis of the benchmark's own, each in a fresh folder. Both end with their block. */
import { type Bench, output, seconds } from "./process.ts";

/** Our daemon on a fresh data dir; `env` points every `evs` to it. */
export class OurDaemon {
  readonly bench: Bench;

  private constructor(bench: Bench) {
    this.bench = bench;
  }

  static async start(bench: Bench, flags = ""): Promise<OurDaemon> {
    const folder = await Deno.makeTempDir({ dir: bench.folder, prefix: "evs-" });
    const env = {
      ...bench.env,
      EVS_DATA_DIR: `${folder}/data`,
      EVS_SOCKET: `${folder}/s`,
      EVS_CONFIG: `${folder}/none`,
    };
    const daemon = new OurDaemon({ folder: bench.folder, env });
    await seconds(daemon.bench, `evs daemon start ${flags}`);
    return daemon;
  }

  get socket(): string {
    return this.bench.env["EVS_SOCKET"]!;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await seconds(this.bench, "evs daemon stop");
    await Deno.remove(this.socket.slice(0, -2), { recursive: true });
  }
}

/** A Redis with an append-only file, on a Unix socket in a fresh folder. */
export class Redis {
  readonly bench: Bench;
  readonly folder: string;
  readonly #process: Deno.ChildProcess;

  private constructor(bench: Bench, folder: string, process: Deno.ChildProcess) {
    this.bench = bench;
    this.folder = folder;
    this.#process = process;
  }

  static async start(bench: Bench, appendfsync: "always" | "everysec"): Promise<Redis> {
    const folder = await Deno.makeTempDir({ dir: bench.folder, prefix: "redis-" });
    const process = new Deno.Command("redis-server", {
      // A rewrite of the file in the middle of a round would be measured with it.
      args: `--port 0 --unixsocket ${folder}/s --dir ${folder} --save --appendonly yes
        --appendfsync ${appendfsync} --auto-aof-rewrite-percentage 0`.trim().split(/\s+/)
        .flatMap((word) => word === "--save" ? ["--save", ""] : [word]),
      cwd: folder,
      stdin: "null",
      stdout: "null",
      stderr: "null",
    }).spawn();
    const redis = new Redis(
      { ...bench, env: { ...bench.env, REDIS: `${folder}/s` } },
      folder,
      process,
    );
    while (await output(redis.bench, 'redis-cli -s "$REDIS" ping') !== "PONG") {
      if (!redis.#runs()) throw new Error("redis-server did not start");
    }
    return redis;
  }

  #runs(): boolean {
    try {
      Deno.statSync(`/proc/${this.#process.pid}`);
      return true;
    } catch {
      return false;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#process.kill("SIGKILL");
    await this.#process.status;
    await Deno.remove(this.folder, { recursive: true });
  }
}
