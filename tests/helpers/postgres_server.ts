/**
 * A PostgreSQL server for a test: Debian's binaries, a cluster in a temporary folder, a loopback
 * port chosen by the kernel. PostgreSQL refuses to run as root, so root runs it as the user
 * `postgres` that the package created.
 */
import assert from "node:assert/strict";

/** A server that runs until it is disposed of. */
export interface PostgresServer extends AsyncDisposable {
  /** The test's database, initially empty. */
  url: string;
}

const ROOT = "/usr/lib/postgresql";

function binaries(): string {
  const versions = [...readDir(ROOT)].sort((a, b) => Number(b) - Number(a));
  assert.ok(versions[0], "PostgreSQL is not here: apt-get install postgresql");
  return `${ROOT}/${versions[0]}/bin`;
}

function readDir(path: string): string[] {
  try {
    return [...Deno.readDirSync(path)].map(({ name }) => name);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return [];
    throw error;
  }
}

/** A command run as the server's user. */
function asServer(command: string[]): Deno.Command {
  const isRoot = Deno.uid() === 0;
  const [program, ...args] = isRoot
    ? ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups", ...command]
    : command;
  return new Deno.Command(program!, { args, stdout: "piped", stderr: "piped", stdin: "null" });
}

async function run(command: string[]): Promise<string> {
  const { success, stdout, stderr } = await asServer(command).output();
  const decoder = new TextDecoder();
  assert.ok(success, `${command.join(" ")}: ${decoder.decode(stderr)}`);
  return decoder.decode(stdout);
}

function freePort(): number {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = listener.addr as Deno.NetAddr;
  listener.close();
  return port;
}

/** Starts a server; `pg_ctl` waits until it is ready. */
export async function startPostgres(): Promise<PostgresServer> {
  const bin = binaries();
  const dir = (await run(["mktemp", "-d", "/tmp/evs-postgres-XXXXXX"])).trim();
  const port = freePort();
  const data = `${dir}/data`;
  await run([`${bin}/initdb`, "-D", data, "-U", "evs", "-A", "trust", "-N"]);
  const options = `-k ${dir} -h 127.0.0.1 -p ${port} -c fsync=off`;
  await run([
    `${bin}/pg_ctl`,
    "-D",
    data,
    "-l",
    `${dir}/log`,
    "-o",
    options,
    "-w",
    "start",
  ]);
  return {
    url: `postgres://evs@127.0.0.1:${port}/postgres`,
    async [Symbol.asyncDispose]() {
      await run([`${bin}/pg_ctl`, "-D", data, "-m", "immediate", "-w", "stop"]);
      await Deno.remove(dir, { recursive: true });
    },
  };
}
