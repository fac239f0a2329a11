/**
 * A PostgreSQL server for a test file: Debian's programs, a cluster in a temporary folder, a Unix
 * socket and a loopback port that was free. PostgreSQL refuses to run as root, so root runs
 * it as the user `postgres` that the package made. It is a child of the test, and is told to stop
 * when the test's thread ends.
 */
import assert from "node:assert/strict";

/** How to make and run a server. */
export interface ServerOptions {
  /** Settings for `postgres -c`, such as `{ fsync: "off" }`. */
  settings?: Record<string, string>;
  /** The lines of pg_hba.conf; absent: everybody on this machine is trusted. */
  hba?: readonly string[];
  /** Files beside pg_hba.conf, such as a certificate; readable by the server alone. */
  files?: Record<string, string>;
  /**
   * A folder of the server's user that is to hold the cluster; absent: a temporary one, in memory
   * where there is room. What a killed process leaves is the same there, and a sync costs nothing.
   */
  dir?: string;
}

/** A server that runs until it is disposed of. */
export interface PostgresServer extends AsyncDisposable {
  /** A database that is empty at first, by TCP. */
  readonly url: string;
  readonly port: number;
  /** The folder of the Unix socket, the data and the log. */
  readonly dir: string;
  /** Makes an empty database and returns its URL; absent: with a name of its own. */
  database(options?: { name?: string; encoding?: string }): Promise<string>;
  /** Runs statements by `psql`, and returns what it printed: a row a line, columns by `|`. */
  sql(text: string, database?: string): Promise<string>;
  /** Starts it again after {@link stop} or {@link kill}; settings stay unless given. */
  start(settings?: Record<string, string>): Promise<void>;
  /** Shuts down: `fast` ends sessions, `immediate` keeps nothing that was not flushed. */
  stop(mode?: "fast" | "immediate"): Promise<void>;
  /** SIGKILL to the server and all its processes at once. */
  kill(): Promise<void>;
  /** Writes files as in {@link ServerOptions}. */
  writeFiles(files: Record<string, string>): Promise<void>;
  /** What the server wrote to its log. */
  log(): string;
}

const ROOT = "/usr/lib/postgresql";
/** What a cluster may grow to in a test. */
const MEMORY_NEEDED = 2 ** 30;
const SIGNALS = { fast: "SIGINT", immediate: "SIGQUIT" } as const;

/** The folder of the newest version's programs. */
export function postgresPrograms(): string {
  const versions = readDir(ROOT).sort((a, b) => Number(b) - Number(a));
  assert.ok(versions[0], "PostgreSQL is not here: apt-get install postgresql");
  return `${ROOT}/${versions[0]}/bin`;
}

/** A folder of the server's user on a disk or, which is quicker, in memory. */
export async function temporaryFolder({ disk = false } = {}): Promise<string> {
  const free = disk ? "" : await run(["sh", "-c", "df -B1 --output=avail /dev/shm || true"]);
  const place = Number(free.split("\n")[1]) > MEMORY_NEEDED ? "/dev/shm" : "/tmp";
  return (await run(["mktemp", "-d", `${place}/evs-postgres-XXXXXX`])).trim();
}

function readDir(path: string): string[] {
  try {
    return [...Deno.readDirSync(path)].map(({ name }) => name);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return [];
    throw error;
  }
}

/** Starts a server on an empty cluster; resolves when it accepts connections. */
export async function startPostgres(options: ServerOptions = {}): Promise<PostgresServer> {
  const dir = options.dir ?? await temporaryFolder();
  const bin = postgresPrograms();
  const data = `${dir}/data`;
  const how = ["-U", "evs", "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8", "-N"];
  await run([`${bin}/initdb`, "-D", data, ...how]);
  if (options.hba) await writeAsServer(`${data}/pg_hba.conf`, options.hba.join("\n") + "\n");
  const server = new Server(dir, options.settings ?? {});
  await server.writeFiles(options.files ?? {});
  await server.start();
  return server;
}

/** A copy of a server that follows it, and can take its place. */
export interface PostgresStandby extends PostgresServer {
  /** Makes it a server of its own; resolves when it takes writes. */
  promote(): Promise<void>;
}

/** The name by which its server knows a standby. */
export const STANDBY = "standby";

/** Copies a running server and follows it; resolves when it has caught up. */
export async function startStandby(
  primary: PostgresServer,
  options: Pick<ServerOptions, "dir"> = {},
): Promise<PostgresStandby> {
  const dir = options.dir ?? await temporaryFolder();
  const from = ["-h", "127.0.0.1", "-p", String(primary.port), "-U", "evs"];
  const how = ["-R", "-X", "stream", "-c", "fast", "--no-sync"];
  await run([`${postgresPrograms()}/pg_basebackup`, "-D", `${dir}/data`, ...from, ...how]);
  const follows = `host=127.0.0.1 port=${primary.port} user=evs application_name=${STANDBY}`;
  const server = new Standby(dir, { primary_conninfo: follows });
  await server.start();
  return server;
}

/** Lets commits of a server wait for its standby, or no longer. */
export async function waitForStandby(primary: PostgresServer, waits: boolean): Promise<void> {
  const names = waits ? STANDBY : "";
  await primary.sql(`ALTER SYSTEM SET synchronous_standby_names = '${names}'`);
  await primary.sql("SELECT pg_reload_conf()");
  const states = "SELECT sync_state FROM pg_stat_replication WHERE state = 'streaming'";
  const isThere = async () => (await primary.sql(states)).trim() === "sync";
  const isSet = async () => (await primary.sql("SHOW synchronous_standby_names")).trim() === names;
  while (!await isSet() || waits && !await isThere()) {
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

class Server implements PostgresServer {
  readonly dir: string;
  readonly port = freePort();
  #settings: Record<string, string>;
  #child: Deno.ChildProcess | undefined;
  #databases = 0;

  constructor(dir: string, settings: Record<string, string>) {
    this.dir = dir;
    this.#settings = settings;
  }

  get url(): string {
    return this.#url("postgres");
  }

  #url(database: string): string {
    return `postgres://evs@127.0.0.1:${this.port}/${database}`;
  }

  async database({ name, encoding }: { name?: string; encoding?: string } = {}): Promise<string> {
    const own = name ?? `test_${++this.#databases}`;
    // Another encoding than the template's needs a locale that fits every one.
    const other = encoding ? ` encoding '${encoding}' locale 'C'` : "";
    await this.sql(`create database "${own}" template template0${other}`);
    return this.#url(own);
  }

  sql(text: string, database = "postgres"): Promise<string> {
    const to = ["-h", this.dir, "-p", String(this.port), "-U", "evs", "-d", database];
    return run([`${postgresPrograms()}/psql`, "-XqAt", "-v", "ON_ERROR_STOP=1", ...to, "-c", text]);
  }

  async start(settings: Record<string, string> = this.#settings): Promise<void> {
    assert.equal(this.#child, undefined, "the server runs already");
    this.#settings = settings;
    const all = { listen_addresses: "127.0.0.1", unix_socket_directories: this.dir, ...settings };
    const flags = Object.entries(all).flatMap(([name, value]) => ["-c", `${name}=${value}`]);
    const log = `${this.dir}/log`;
    const program = [`${postgresPrograms()}/postgres`, "-D", `${this.dir}/data`];
    this.#child = asServer(["sh", "-c", 'log=$1; shift; exec "$@" >>"$log" 2>&1', "sh", log]
      .concat(program, ["-p", String(this.port)], flags)).spawn();
    await this.#untilReady(this.#child);
  }

  async #untilReady(child: Deno.ChildProcess): Promise<void> {
    let ended: number | undefined;
    child.status.then(({ code }) => ended = code);
    const ask = ["-q", "-h", "127.0.0.1", "-p", String(this.port)];
    for (;;) {
      const { success } = await asServer([`${postgresPrograms()}/pg_isready`, ...ask]).output();
      if (success) return;
      // Until the server has begun there is no log.
      if (ended !== undefined) assert.fail(`the server ended: ${this.log()}`);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }

  async stop(mode: "fast" | "immediate" = "fast"): Promise<void> {
    this.#child?.kill(SIGNALS[mode]);
    await this.#ended();
  }

  async kill(): Promise<void> {
    const child = this.#child;
    if (!child) return;
    // Stopped first, so that it starts nothing while its children are counted.
    child.kill("SIGSTOP");
    const children = childrenOf(child.pid);
    for (const pid of [child.pid, ...children]) killThere(pid);
    await this.#ended();
    // The next start finds its shared memory in use until the last of them is gone.
    while (children.some(isThere)) await new Promise((resolve) => setTimeout(resolve, 5));
  }

  async #ended(): Promise<void> {
    await this.#child?.status;
    this.#child = undefined;
  }

  async writeFiles(files: Record<string, string>): Promise<void> {
    for (const [name, text] of Object.entries(files)) {
      await writeAsServer(`${this.dir}/data/${name}`, text);
    }
  }

  log(): string {
    return Deno.readTextFileSync(`${this.dir}/log`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop("immediate");
    await Deno.remove(this.dir, { recursive: true });
  }
}

class Standby extends Server implements PostgresStandby {
  async promote(): Promise<void> {
    assert.equal((await this.sql("SELECT pg_promote()")).trim(), "t");
  }
}

/** A command run as the server's user; ends when this thread does. */
function asServer(command: string[]): Deno.Command {
  const dying = ["--pdeathsig", "QUIT"];
  const user = Deno.uid() === 0
    ? ["--reuid=postgres", "--regid=postgres", "--clear-groups", ...dying]
    : dying;
  return new Deno.Command("setpriv", {
    args: [...user, ...command],
    cwd: "/",
    stdout: "piped",
    stderr: "piped",
    stdin: "null",
  });
}

async function run(command: string[]): Promise<string> {
  const { success, stdout, stderr } = await asServer(command).output();
  const decoder = new TextDecoder();
  assert.ok(success, `${command.join(" ")}: ${decoder.decode(stderr)}`);
  return decoder.decode(stdout);
}

/** Writes a file that only the server's user reads. */
async function writeAsServer(path: string, text: string): Promise<void> {
  await run(["sh", "-c", 'umask 077; printf %s "$2" >"$1"', "sh", path, text]);
}

/**
 * A port below those that the kernel gives to whoever connects somewhere: a server that is away for a
 * while would find one of these taken, by its own clients even.
 */
function freePort(): number {
  const range = Deno.readTextFileSync("/proc/sys/net/ipv4/ip_local_port_range");
  const [end] = range.trim().split(/\s+/).map(Number);
  for (;;) {
    const port = Math.floor(end! / 2 * (1 + Math.random()));
    try {
      Deno.listen({ hostname: "127.0.0.1", port }).close();
      return port;
    } catch (error) {
      if (!(error instanceof Deno.errors.AddrInUse)) throw error;
    }
  }
}

function childrenOf(pid: number): number[] {
  const listed = Deno.readTextFileSync(`/proc/${pid}/task/${pid}/children`).trim();
  return listed === "" ? [] : listed.split(" ").map(Number);
}

function killThere(pid: number): void {
  try {
    Deno.kill(pid, "SIGKILL");
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}

function isThere(pid: number): boolean {
  try {
    // A zombie waits to be reaped, and holds nothing.
    return !/^State:\s+Z/m.test(Deno.readTextFileSync(`/proc/${pid}/status`));
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}
