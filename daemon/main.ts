/**
 * The daemon. Started by core/client/launch.ts with exact permissions; prints one line of JSON on
 * standard output when it serves, and nothing else there, ever. What goes wrong before that is said
 * on standard error.
 */
import { EvsError, InvalidArgumentError } from "../core/base/errors.ts";
import { osError } from "../core/base/os_error.ts";
import { VERSION } from "../core/base/version.ts";
import { parseDurability } from "../core/event/durability.ts";
import { type Config, defaultConfig, loadConfig, parseStore } from "./config.ts";
import { type Holder } from "../core/protocol/holder.ts";
import { withdraw } from "./announcement.ts";
import { dataDirAt, prepareDataDir } from "./data_dir.ts";
import { Services } from "./services.ts";
import { type HeldLock, lockDataDir, takeOverDataDir } from "./lock.ts";
import { openLog } from "./log.ts";
import { giveUpPermissions, permissionsInForce } from "./permissions.ts";
import { SpaceReserve } from "./space_reserve.ts";
import { routes } from "./routes/mod.ts";
import { listen, type Server } from "./http/server.ts";
import { storeKinds } from "./open_stores.ts";
import { SocketKeeper } from "./socket_keeper.ts";
import { SCRIPTS, Threads } from "./threads.ts";
import { onUncaught } from "./uncaught.ts";
import { findDataDir } from "./whole.ts";

/** A drain that takes longer is cut short (contract row 19), ms. */
const DRAIN_DEADLINE = 4000;

interface Arguments {
  dataDir: string;
  socket: string;
  config: string;
  overrides: Partial<Config>;
  /** As they were given, for the one who starts it again. */
  given: Pick<Holder, "store" | "durability">;
  untilStdinCloses: boolean;
  /** Waits for the daemon that has the data dir, and takes its place. */
  takeOver: boolean;
}

const OPTIONS = ["--data-dir", "--socket", "--config", "--store", "--durability"];

/** Reads the command line of the daemon; see core/client/launch.ts, which writes it. */
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
  return {
    dataDir: need("--data-dir"),
    socket: need("--socket"),
    config: need("--config"),
    given: {
      ...(store === undefined ? {} : { store }),
      ...(durability === undefined ? {} : { durability }),
    },
    overrides: {
      ...(store === undefined ? {} : { store: parseStore(store) }),
      ...(durability === undefined ? {} : { durability: parseDurability(durability) }),
    },
    untilStdinCloses: switches.has("--until-stdin-closes"),
    takeOver: switches.has("--take-over"),
  };
}

/** Runs the daemon until it is told to stop; resolves with the exit code. */
export async function runDaemon(args: readonly string[]): Promise<number> {
  const asked = parseArguments(args);
  // Caught from the start: whoever does not find the socket sends it.
  let lookAfterSocket = () => {};
  Deno.addSignalListener("SIGHUP", () => lookAfterSocket());
  const { dataDir: path, socket } = asked;
  const config = await configOf(asked);
  prepareDataDir(path);
  const dataLock = await holdDataDir(asked);
  const dataDir = dataDirAt(path);
  const found = findDataDir(dataDir);
  const threads = beginThreads(storeKinds(dataDir, config, found.marks?.files));
  // A private daemon's data is gone with it.
  const reserve = asked.untilStdinCloses
    ? undefined
    : new SpaceReserve(dataDir.reserve, { size: 0 });
  const log = openLog(dataDir.logFolder, { ...config, spare: () => reserve?.spare() ?? false });
  const holder = holderOf(asked);
  const keeper = new SocketKeeper({ holder, log });
  await keeper.take();
  const stop = Promise.withResolvers<{ reason: string; code: number }>();
  const services = await Services.open({
    dataDir,
    socket,
    config,
    log,
    found,
    threads,
    reserve,
    permissions: () => permissionsInForce(asked),
    shutdown: (reason) => stop.resolve({ reason, code: 0 }),
    fail: (reason) => stop.resolve({ reason, code: 1 }),
  });
  onUncaught((error, how) => services.fatal(error, how));
  const server = await listen(services, routes);
  keeper.listening();
  await giveUpPermissions();
  onSignals((signal) => stop.resolve({ reason: signal, code: 0 }));
  lookAfterSocket = () => void keeper.lookAfter(() => server.listenAnew());
  if (asked.untilStdinCloses) {
    void stdinClosed().then(() => stop.resolve({ reason: "standard input closed", code: 0 }));
  }
  // The first failed sync: nothing is acknowledged any more, and the process ends (contract row 7).
  void services.broker.failure.then((error) => services.fatal(error, "a store failed"));
  const { store, durability } = config;
  const where = { pid: Deno.pid, socket, dataDir: path };
  log.logger.info("ready", { version: VERSION, ...where, store, durability });
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

async function holdDataDir({ dataDir, takeOver }: Arguments): Promise<HeldLock> {
  if (!takeOver) return lockDataDir(dataDir);
  return await takeOverDataDir(dataDir, () => tell({ waiting: true, pid: Deno.pid }));
}

/** The threads load their code while the files are looked at. */
function beginThreads(kinds: ReturnType<typeof storeKinds>): Threads {
  const threads = new Threads();
  for (const kind of kinds) {
    if (kind !== "memory") threads.begin(SCRIPTS[kind]);
  }
  threads.begin(SCRIPTS.state);
  return threads;
}

async function drain(server: Server, services: Services): Promise<void> {
  services.draining = true;
  try {
    // Closing the server removes the socket.
    await server.drain(AbortSignal.timeout(DRAIN_DEADLINE));
    await services.close();
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
 * The first SIGTERM or SIGINT drains, the second ends at once: what was acknowledged is durable
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
 * A write beyond `ulimit -f` is refused like one on a full disk; unheard, its signal ends the
 * process without a word.
 */
function surviveFileSizeLimit(): void {
  Deno.addSignalListener("SIGXFSZ", () => {});
}

async function stdinClosed(): Promise<void> {
  const buffer = new Uint8Array(64);
  while (await Deno.stdin.read(buffer) !== null);
}

/**
 * `/proc`, `/sys` and `/dev` are for programs with all permissions only, whatever their flags say:
 * a place that was chosen there is a mistake of whoever chose it. Any other lack of a permission is
 * ours.
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

/** The same as a program: what goes wrong is said on standard error. */
export async function serve(args: readonly string[]): Promise<number> {
  try {
    surviveFileSizeLimit();
    return await runDaemon(args);
  } catch (error) {
    const known = error instanceof EvsError ? error : outOfReach(error) ?? osError(error);
    const text = known !== undefined
      ? `evs daemon: ${known.message}\n${known.hint === undefined ? "" : `  ${known.hint}\n`}`
      : `evs daemon: ${error instanceof Error ? error.stack : String(error)}\n`;
    say(text);
    return known?.exit ?? 70;
  }
}

/**
 * The end must not hang on whether it can be told: nobody may read standard error any more. The log
 * has it, where there is one.
 */
function say(text: string): void {
  try {
    Deno.stderr.writeSync(new TextEncoder().encode(text));
  } catch {
    // Whoever would be told of this, too, is the one that is not there; the exit code tells it.
  }
}

if (import.meta.main) Deno.exit(await serve(Deno.args));
