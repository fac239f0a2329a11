/**
 * The servers that are measured: our daemon, and the benchmark's own Redis and NATS servers, each
 * in a new folder. They are stopped at the end of their scope.
 */
import { type Bench, output, seconds } from "./process.ts";

const clients = decodeURIComponent(new URL("./clients", import.meta.url).pathname);

/** The command that runs a peer's client, as a shell takes it. */
export function runClient(client: string, ...args: (string | number)[]): string {
  return `"$EVS_DENO" run --quiet -A ${clients}/${client}.ts ${args.join(" ")}`;
}

/** Our daemon on a fresh data dir; `env` points every `evs` to it. */
export class OurDaemon {
  readonly bench: Bench;
  readonly #folder: string;
  #running = false;
  #watch: AsyncDisposable | undefined;

  private constructor(bench: Bench, folder: string) {
    this.bench = bench;
    this.#folder = folder;
  }

  /** `config`: the text of its config file. */
  static async start(bench: Bench, flags = "", config = bench.config ?? ""): Promise<OurDaemon> {
    const folder = await Deno.makeTempDir({ dir: bench.folder, prefix: "evs-" });
    const env = {
      ...bench.env,
      EVS_DATA_DIR: `${folder}/data`,
      EVS_SOCKET: `${folder}/s`,
      EVS_CONFIG: `${folder}/config`,
    };
    await Deno.writeTextFile(env.EVS_CONFIG, config);
    const daemon = new OurDaemon({ folder: bench.folder, env }, folder);
    await daemon.start(flags);
    daemon.#watch = await bench.watch?.(daemon.bench);
    return daemon;
  }

  get socket(): string {
    return this.bench.env["EVS_SOCKET"]!;
  }

  /** Starts it again on what it has, by this `evs`; returns the seconds it took. */
  async start(flags: string, { by = "evs", bench = this.bench } = {}): Promise<number> {
    const took = await seconds(bench, `${by} daemon start ${flags}`);
    this.#running = true;
    return took;
  }

  async stop(): Promise<void> {
    await this.#watch?.[Symbol.asyncDispose]();
    this.#watch = undefined;
    await seconds(this.bench, "evs daemon stop");
    this.#running = false;
  }

  /** Ends it as a crash would. */
  async kill(): Promise<void> {
    const pid = Number(await output(this.bench, "evs status --json | jq .pid"));
    Deno.kill(pid, "SIGKILL");
    while (runs(pid)) await new Promise((resolve) => setTimeout(resolve, 1));
    this.#running = false;
  }

  /** Removes all that it has stored. It must be stopped. */
  async forget(): Promise<void> {
    await Deno.remove(`${this.#folder}/data`, { recursive: true });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#running) await this.stop();
    await Deno.remove(this.#folder, { recursive: true });
  }
}

/** When Redis syncs its file. */
type AppendFsync = "always" | "everysec";

/** A Redis with an append-only file, on a Unix socket in a fresh folder. */
export class Redis {
  readonly bench: Bench;
  readonly folder: string;
  readonly #appendfsync: AppendFsync;
  #process: Deno.ChildProcess;

  private constructor(bench: Bench, folder: string, appendfsync: AppendFsync) {
    this.bench = { ...bench, env: { ...bench.env, REDIS: `${folder}/s` } };
    this.folder = folder;
    this.#appendfsync = appendfsync;
    this.#process = this.#spawn();
  }

  static async start(bench: Bench, appendfsync: AppendFsync): Promise<Redis> {
    const folder = await Deno.makeTempDir({ dir: bench.folder, prefix: "redis-" });
    const redis = new Redis(bench, folder, appendfsync);
    await redis.#ready();
    return redis;
  }

  /** Ends it as a crash would. */
  async kill(): Promise<void> {
    this.#process.kill("SIGKILL");
    await this.#process.status;
  }

  /** Starts it again on what it has; returns the seconds until it has loaded that. */
  async restart(): Promise<number> {
    const began = performance.now();
    this.#process = this.#spawn();
    await this.#ready();
    return (performance.now() - began) / 1000;
  }

  #spawn(): Deno.ChildProcess {
    const { folder } = this;
    return new Deno.Command("redis-server", {
      // A rewrite of the file in the middle of a round would be measured with it.
      args: `--port 0 --unixsocket ${folder}/s --dir ${folder} --save --appendonly yes
        --appendfsync ${this.#appendfsync} --auto-aof-rewrite-percentage 0`.trim().split(/\s+/)
        .flatMap((word) => word === "--save" ? ["--save", ""] : [word]),
      cwd: folder,
      stdin: "null",
      stdout: "null",
      stderr: "null",
    }).spawn();
  }

  async #ready(): Promise<void> {
    while (await output(this.bench, 'redis-cli -s "$REDIS" ping') !== "PONG") {
      if (!runs(this.#process.pid)) throw new Error("redis-server did not start");
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#process.kill("SIGKILL");
    await this.#process.status;
    await Deno.remove(this.folder, { recursive: true });
  }
}

/** A NATS server with JetStream on files, on a port of the loopback interface. */
export class Nats {
  readonly port: number;
  readonly #folder: string;
  readonly #process: Deno.ChildProcess;

  private constructor(port: number, folder: string, process: Deno.ChildProcess) {
    this.port = port;
    this.#folder = folder;
    this.#process = process;
  }

  static async start(bench: Bench): Promise<Nats> {
    const folder = await Deno.makeTempDir({ dir: bench.folder, prefix: "nats-" });
    const port = freePort();
    const always = await Nats.syncsAlways(bench) ? ", sync_interval: always" : "";
    await Deno.writeTextFile(`${folder}/conf`, `jetstream { store_dir: "${folder}"${always} }\n`);
    const process = new Deno.Command("nats-server", {
      args: ["-c", `${folder}/conf`, "-a", "127.0.0.1", "-p", String(port)],
      env: bench.env,
      stdin: "null",
      stdout: "null",
      stderr: "null",
    }).spawn();
    for (;;) {
      try {
        (await Deno.connect({ hostname: "127.0.0.1", port })).close();
        return new Nats(port, folder, process);
      } catch (error) {
        if (!(error instanceof Deno.errors.ConnectionRefused)) throw error;
      }
    }
  }

  /**
   * True when the server that is installed can sync before it acknowledges; versions before 2.10
   * cannot.
   */
  static async syncsAlways(bench: Bench): Promise<boolean> {
    const conf = `${bench.folder}/nats-always.conf`;
    await Deno.writeTextFile(conf, "jetstream { sync_interval: always }\n");
    return await output(bench, `nats-server -t -c ${conf}`) !== undefined;
  }

  /** True when it can store a batch as a whole; versions before 2.12 cannot. */
  static async storesBatches(bench: Bench): Promise<boolean> {
    const version = await output(bench, "nats-server --version | sed 's/.*v//'") ?? "0.0";
    const [major = 0, minor = 0] = version.split(".").map(Number);
    return major > 2 || (major === 2 && minor >= 12);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#process.kill("SIGKILL");
    await this.#process.status;
    await Deno.remove(this.#folder, { recursive: true });
  }
}

function runs(pid: number): boolean {
  try {
    Deno.statSync(`/proc/${pid}`);
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

function freePort(): number {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  return listener.addr.port;
}
