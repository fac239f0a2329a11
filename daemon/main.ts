/**
 * The daemon. Started by core/client/launch.ts with exact permissions. It prints one line of JSON
 * on standard output once it is ready, and never anything else there. Errors before that go to
 * standard error.
 */
import "./modules.ts";
import { defined } from "../core/base/defined.ts";
import { loadLateBy } from "../core/base/late_module.ts";
import { DataDirError, EvsError, InvalidArgumentError } from "../core/base/errors.ts";
import { osError } from "../core/base/os_error.ts";
import { programFile } from "../core/base/program.ts";
import { VERSION } from "../core/base/version.ts";
import { parseDurability } from "../core/event/durability.ts";
import { type Config, defaultConfig, loadConfig, parseStore } from "./config.ts";
import { type Holder } from "../core/protocol/holder.ts";
import { withdraw } from "./announcement.ts";
import { readDatabaseMark } from "../core/data_dir/database_mark.ts";
import { type DataDir, dataDirAt, prepareDataDir } from "./data_dir.ts";
import { Services } from "./services.ts";
import { type HeldLock, lockDataDir, takeOverDataDir } from "./lock.ts";
import { asStarted } from "./late_modules.ts";
import { openLog } from "./log.ts";
import { giveUpPermissions, permissionsInForce } from "./permissions.ts";
import { RESERVE, SpaceReserve } from "./space_reserve.ts";
import { routes } from "./routes/mod.ts";
import { listen, type Server } from "./http/server.ts";
import { storeKinds } from "./open_stores.ts";
import { SocketKeeper } from "./socket_keeper.ts";
import { openSpool } from "./spool/open.ts";
import { socketGroupOf } from "./socket_group.ts";
import { SCRIPTS, Threads } from "./threads.ts";
import { onUncaught, onWarning } from "./uncaught.ts";
import type { Database } from "./open_shared.ts";
import { findDataDir, type FoundDataDir } from "./whole.ts";

/** A drain that takes longer is cut short (contract row 19), ms. */
const DRAIN_DEADLINE = 4000;
/** The same with the time that a database takes, ms. */
const DATABASE_DEADLINE = 4800;

interface Arguments {
  dataDir: string;
  socket: string;
  config: string;
  overrides: Partial<Config>;
  /** The number of the group that the config file names, if there is such a group. */
  socketGid: number | undefined;
  /** As they were given, for a later restart. */
  given: Pick<Holder, "store" | "durability">;
  untilStdinCloses: boolean;
  /** A file with passwords, for a database. */
  passfile: string | undefined;
  /** The machine's name, for a node. */
  host: string | undefined;
  /** Waits for the daemon that holds the data dir, and replaces it. */
  takeOver: boolean;
}

const OPTIONS = [
  "--data-dir",
  "--socket",
  "--config",
  "--store",
  "--durability",
  "--socket-gid",
  "--passfile",
  "--host",
];

/** Parses the daemon's command line, which core/client/launch.ts builds. */
export function parseArguments(args: readonly string[]): Arguments {
  const values = new Map<string, string>();
  const switches = new Set<string>();
  for (let i = 0; i < args.length; i++) {
    const name = args[i]!;
    if (name === "--until-stdin-closes" || name === "--take-over") {
      switches.add(name);
      continue;
    }
    const value = args[++i];
    if (!OPTIONS.includes(name) || value === undefined) {
      throw new InvalidArgumentError(`the daemon does not take ${name}`, {
        hint: "start it with: evs daemon run",
      });
    }
    values.set(name, value);
  }
  const need = (name: string) => {
    const value = values.get(name);
    if (value === undefined) {
      throw new InvalidArgumentError(`the daemon needs ${name}`, {
        hint: "start it with: evs daemon run",
      });
    }
    return value;
  };
  const [store, durability] = [values.get("--store"), values.get("--durability")];
  const socketGid = values.get("--socket-gid");
  return {
    dataDir: need("--data-dir"),
    socket: need("--socket"),
    config: need("--config"),
    socketGid: socketGid === undefined ? undefined : Number(socketGid),
    given: { store, durability },
    passfile: values.get("--passfile"),
    host: values.get("--host"),
    overrides: defined({
      ...(store === undefined ? {} : parseStore(store)),
      durability: durability === undefined ? undefined : parseDurability(durability),
    }),
    untilStdinCloses: switches.has("--until-stdin-closes"),
    takeOver: switches.has("--take-over"),
  };
}

/** Runs the daemon until it is told to stop; resolves with the exit code. */
export async function runDaemon(args: readonly string[]): Promise<number> {
  const asked = parseArguments(args);
  const onHangup = hangups();
  const { dataDir: path, socket } = asked;
  const config = await configOf(asked);
  const group = socketGroupOf(config, asked);
  const database = await databaseOf(config, asked);
  const dataLock = await holdDataDir(asked);
  const dataDir = dataDirAt(path);
  const found = database?.prepare(dataDir) ?? findLocal(dataDir);
  const threads = beginThreads(found, { dataDir, config });
  const reserve = database === undefined ? reserveOf(asked) : undefined;
  const held = reserve?.lendIfFull() ?? 0;
  const log = openLog(dataDir.logFolder, { ...config, spare: () => reserve?.spare() ?? false });
  const holder = holderOf(asked);
  const keeper = new SocketKeeper({ holder, log, group });
  await keeper.take();
  const stop = Promise.withResolvers<{ reason: string; code: number }>();
  const services = await Services.open({
    dataDir,
    socket,
    socketGroup: group,
    config,
    log,
    found,
    threads,
    reserve,
    database,
    permissions: () => permissionsInForce({ ...asked, ...config, database: database?.access }),
    shutdown: (reason) => stop.resolve({ reason, code: 0 }),
    fail: (reason) => stop.resolve({ reason, code: 1 }),
  });
  onWarning((error) => log.logger.warning("the runtime warns: {error.message}", { error }));
  onUncaught((error, how) => services.fatal(error, how));
  services.keepReserve({ held, isNew: found.marks === undefined });
  await takeInSpool(services, onHangup);
  const server = await listen(services, routes);
  keeper.listening();
  await giveUpPermissions(config);
  onSignals((signal) => stop.resolve({ reason: signal, code: 0 }));
  onHangup.push(() => void keeper.lookAfter(() => server.listenAnew()));
  if (asked.untilStdinCloses) {
    void stdinClosed().then(() => stop.resolve({ reason: "standard input closed", code: 0 }));
  }
  // The first failed sync: nothing more is acknowledged, and the process ends (contract row 7).
  void services.broker.failure.then((error) => services.fatal(error, "a store failed"));
  logReady(log, { ...config, socket, dataDir: path });
  tell({ ready: true, pid: Deno.pid, socket });

  const { reason, code } = await stop.promise;
  log.logger.info("stopping: {reason}", { reason });
  keeper.stop();
  await drain(server, services);
  log.logger.info("stopped", { reason, code });
  log.close();
  withdraw(holder);
  keeper.release();
  dataLock.release();
  return code;
}

async function configOf({ config, overrides }: Arguments): Promise<Config> {
  return { ...defaultConfig, ...await loadConfig(config), ...overrides };
}

function logReady(
  log: ReturnType<typeof openLog>,
  { socket, dataDir, store, durability }: Config & Pick<Arguments, "socket" | "dataDir">,
): void {
  const pid = Deno.pid;
  log.logger.info("ready", { version: VERSION, pid, socket, dataDir, store, durability });
}

/** Makes the data dir if there is none, and locks it. */
async function holdDataDir({ dataDir, takeOver }: Arguments): Promise<HeldLock> {
  prepareDataDir(dataDir);
  if (!takeOver) return lockDataDir(dataDir);
  return await takeOverDataDir(dataDir, () => tell({ waiting: true, pid: Deno.pid }));
}

/** A private daemon keeps no reserve: its data is deleted with it. */
function reserveOf({ dataDir, untilStdinCloses }: Arguments): SpaceReserve | undefined {
  if (untilStdinCloses) return undefined;
  return new SpaceReserve(dataDirAt(dataDir).reserve, { size: RESERVE });
}

/** Reaches the database, if the store is one: what is wrong with it is told before anything else. */
async function databaseOf(
  config: Config,
  { passfile, host }: Arguments,
): Promise<Database | undefined> {
  if (config.store !== "postgres") return undefined;
  // Called by its name: what a literal import names is read, and kept, by every daemon.
  const { Database }: typeof import("./open_shared.ts") = await import(
    programFile("daemon/open_shared.ts").href
  );
  return await Database.reach(config, { passfile, host });
}

/** Checks a data dir that is to have the events and the state. */
function findLocal(dataDir: DataDir): FoundDataDir {
  const database = readDatabaseMark(dataDir.path);
  if (database === undefined) return findDataDir(dataDir);
  throw new DataDirError(
    "datadir/other-store",
    `the data dir ${dataDir.path} belongs to the database ${database}, which has its events`,
    { hint: `add --store ${database}, or choose another data dir with EVS_DATA_DIR` },
  );
}

/**
 * The threads load their code while the files are being checked. It is read once more, for threads
 * that are started later. With a database there are none.
 */
function beginThreads(
  { marks }: FoundDataDir,
  { dataDir, config }: { dataDir: DataDir; config: Config },
): Threads {
  const threads = new Threads();
  if (config.store === "postgres") return threads;
  for (const kind of storeKinds(dataDir, { store: config.store }, marks?.files)) {
    if (kind !== "memory") threads.begin(SCRIPTS[kind]);
  }
  threads.begin(SCRIPTS.state);
  threads.hold();
  return threads;
}

/** What was spooled comes first: before anybody connects. */
async function takeInSpool(services: Services, onHangup: (() => void)[]): Promise<void> {
  const spool = openSpool(services);
  onHangup.push(() => spool.look());
  await spool.start();
}

/**
 * Gives up a database that does not answer. Nothing is lost: what was acknowledged is there, and what
 * this node owned goes to others a little later.
 */
async function givenUp({ log }: Services, ms: number): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, ms));
  log.logger.warning("the database does not answer: it is left without a word");
}

async function drain(server: Server, services: Services): Promise<void> {
  services.beginDrain();
  try {
    // Closing the server removes the socket.
    const end = performance.now() + DATABASE_DEADLINE;
    await server.drain(AbortSignal.timeout(DRAIN_DEADLINE));
    const closed = services.close();
    if (services.cluster === undefined) return await closed;
    await Promise.race([closed, givenUp(services, end - performance.now())]);
  } catch (error) {
    services.unexpected(error, "stopping");
    throw error;
  }
}

function holderOf(
  { dataDir, socket, config, given, untilStdinCloses }: Arguments,
): Holder {
  const foreground = untilStdinCloses ? { foreground: true } : {};
  return { pid: Deno.pid, socket, dataDir, config, ...given, ...foreground };
}

function tell(line: unknown): void {
  const bytes = new TextEncoder().encode(`${JSON.stringify(line)}\n`);
  for (let at = 0; at < bytes.length;) at += Deno.stdout.writeSync(bytes.subarray(at));
}

/**
 * Whom to call at a SIGHUP. It is handled from the start: clients send it that do not find the
 * socket, or that have spooled something.
 */
function hangups(): (() => void)[] {
  const listeners: (() => void)[] = [];
  Deno.addSignalListener("SIGHUP", () => listeners.forEach((listener) => listener()));
  return listeners;
}

/**
 * The first SIGTERM or SIGINT drains, the second ends at once: acknowledged events are durable
 * either way.
 */
function onSignals(stop: (signal: string) => void): void {
  let asked = false;
  for (const signal of ["SIGTERM", "SIGINT"] as const) {
    Deno.addSignalListener(signal, () => {
      if (asked) Deno.exit(1);
      asked = true;
      stop(signal);
    });
  }
}

/**
 * A write beyond `ulimit -f` is refused like one on a full disk. Without a handler, the signal
 * would end the process without an error.
 */
function surviveFileSizeLimit(): void {
  Deno.addSignalListener("SIGXFSZ", () => {});
}

async function stdinClosed(): Promise<void> {
  const buffer = new Uint8Array(64);
  while (await Deno.stdin.read(buffer) !== null);
}

/**
 * `/proc`, `/sys` and `/dev` are only for programs with all permissions, whatever their flags say,
 * so a path chosen there is a user error. Any other missing permission is our bug.
 */
function outOfReach(error: unknown): EvsError | undefined {
  if (!(error instanceof Deno.errors.NotCapable)) return undefined;
  const [, path] = /^Requires all access to "(.*?)"/.exec(error.message) ?? [];
  return path === undefined ? undefined : new InvalidArgumentError(
    `${path} lies in a folder of the system itself, which a daemon is kept out of`,
    {
      code: "argument/unusable-path",
      hint: "choose another place with EVS_DATA_DIR, EVS_SOCKET or EVS_CONFIG",
      cause: error,
    },
  );
}

/** What can be done where the system refuses a file or a folder that nobody asked for by name. */
const PLACES = "EVS_DATA_DIR chooses another data dir, EVS_SOCKET another socket";

/** Runs the daemon as a program: errors go to standard error. */
export async function serve(args: readonly string[]): Promise<number> {
  try {
    surviveFileSizeLimit();
    return await runDaemon(args);
  } catch (error) {
    const known = error instanceof EvsError ? error : outOfReach(error) ?? osError(error);
    const hint = known?.code === "system/refused" ? known.hint ?? PLACES : known?.hint;
    const text = known !== undefined
      ? `evs daemon: ${known.message}\n${hint === undefined ? "" : `  ${hint}\n`}`
      : `evs daemon: ${error instanceof Error ? error.stack : String(error)}\n`;
    say(text);
    return known?.exit ?? 70;
  }
}

/**
 * Shutdown must not depend on being able to print: nobody may read standard error any more. The log
 * has the message, if there is a log.
 */
function say(text: string): void {
  try {
    Deno.stderr.writeSync(new TextEncoder().encode(text));
  } catch {
    // Nobody is left to report this to; the exit code has to do.
  }
}

if (import.meta.main) {
  loadLateBy(asStarted);
  Deno.exit(await serve(Deno.args));
}
