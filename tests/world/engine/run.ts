/** Runs one life in one world, from nothing to the end, and says what came of it. */
import { simulateThreads } from "../../../core/base/module_state.ts";
import { roomCall } from "../../../commands/check/disk.ts";
import { ifThere } from "../../../core/base/if_there.ts";
import { fileSystem } from "../../../daemon/disk_space.ts";
import type { Life, Plan, Violation } from "../types.ts";
import { loadCommands } from "./commands.ts";
import { simulateCopies } from "./copies.ts";
import { installGlobals } from "./globals.ts";
import { currentThread, type Thread } from "./process.ts";
import { randomStream } from "./random.ts";
import { real, realTurn } from "./real.ts";
import { Scheduler } from "./scheduler.ts";
import { Trace } from "./trace.ts";
import { loadWorkers } from "./worker.ts";
import { SimWorld, ViolationError } from "./world.ts";

/** A world that has more events than this does not end. */
const MOST_EVENTS = 400_000;

/** What came of a world. */
export interface Result {
  seed: number;
  /** Of everything that happened. */
  hash: string;
  broke: Violation | undefined;
  counts: ReadonlyMap<string, number>;
  /** Simulated ms. */
  time: number;
  events: number;
  /** All lines of the trace, if they were asked for. */
  lines: readonly string[] | undefined;
  story: readonly string[] | undefined;
}

/** How to run it. */
export interface RunOptions {
  /** Default: what the life plans for the seed. */
  plan?: Plan;
  story?: boolean;
  /** Keeps all lines, to find where two runs part. */
  keep?: boolean;
}

let worlds = 0;

/** The plan of a seed. */
export function planOf(life: Life, seed: number): Plan {
  return life.plan(seed, randomStream(seed, "plan"));
}

/** As long as `/dev/shm/evs-world-0123456789abcdef/w000001`. */
const ROOT_LENGTH = 43;

/**
 * The folder of a world in one for all. Always as long: clients send it, files hold it, and lengths
 * decide where a slow network cuts. One in 16 temporary folders has a digit less in its name.
 */
export function rootIn(folder: string, world: number): string {
  const before = `${folder}/w`;
  return before + String(world).padStart(Math.max(6, ROOT_LENGTH - before.length), "0");
}

/** Runs a world. */
export async function runWorld(
  life: Life,
  seed: number,
  options: RunOptions = {},
): Promise<Result> {
  await prepare();
  if (life.usesCommands) await loadCommands();
  const plan = options.plan ?? planOf(life, seed);
  const root = rootIn(await shortFolder(), ++worlds);
  const trace = new Trace({
    keep: options.keep ?? false,
    story: options.story ?? false,
    hide: [[`${root}/`, "/"], [root, "/"]],
  });
  const failed = (thread: Thread | undefined, error: unknown, how = "error" as const) => {
    if (thread === undefined) return void (outside ??= error);
    if (thread.onError) thread.onError(error);
    else thread.process.uncaught(how, error);
  };
  let outside: unknown;
  const scheduler = new Scheduler({ failed });
  const world = new SimWorld({ seed, root, scheduler, trace });
  const restore = install(world, scheduler, failed);
  let over: { error?: unknown } | undefined;
  try {
    const director = world.spawn("director", () => life.run(world, plan));
    void director.ended.then((exit) => over ??= exit.how === "threw" ? { error: exit.error } : {});
    await scheduler.run(() => over !== undefined || outside !== undefined, { most: MOST_EVENTS });
  } catch (error) {
    over = { error };
  } finally {
    await realTurn();
    world.machine.close();
    await realTurn();
    restore();
  }
  return {
    seed,
    hash: trace.hash,
    broke: hidden(violationOf(world, outside ?? over?.error, scheduler.now), root),
    counts: world.counts,
    time: scheduler.now,
    events: scheduler.count,
    lines: trace.lines,
    story: trace.story,
  };
}

/** Without the folder, which has another name in each run. */
function hidden(broke: Violation | undefined, root: string): Violation | undefined {
  return broke && { ...broke, details: broke.details.replaceAll(root, "") };
}

function violationOf(world: SimWorld, error: unknown, at: number): Violation | undefined {
  if (world.violations[0] !== undefined) return world.violations[0];
  if (error === undefined) return undefined;
  if (error instanceof ViolationError) return error.violation;
  const text = error instanceof Error ? error.stack ?? error.message : String(error);
  return { promise: "nothing fails that nobody foresaw", details: text, at };
}

function install(
  world: SimWorld,
  scheduler: Scheduler,
  failed: (thread: Thread | undefined, error: unknown, how?: "error") => void,
): () => void {
  const { machine } = world;
  const uninstall = installGlobals({
    scheduler,
    wallClock: () => machine.wallClock(),
    random: world.random("threads"),
    deno: machine.deno(),
    tell: (who, what) => world.note(who, what),
    failed: (error) => failed(currentThread(), error),
    kill: (pid, signal) => machine.signal(pid, signal),
  });
  const rejected = (event: PromiseRejectionEvent) => {
    event.preventDefault();
    const { last } = scheduler;
    if (last?.onError) last.onError(event.reason);
    else if (last) last.process.uncaught("unhandledrejection", event.reason);
    else failed(undefined, event.reason);
  };
  const thrown = (event: ErrorEvent) => {
    event.preventDefault();
    failed(scheduler.last, event.error);
  };
  real.addEventListener("unhandledrejection", rejected);
  real.addEventListener("error", thrown);
  simulateThreads(() => currentThread()?.moduleState);
  const restoreSpace = simulateSpace();
  const restoreCopies = simulateCopies({ scheduler, random: world.random("copies of databases") });
  return () => {
    restoreCopies();
    restoreSpace();
    simulateThreads(undefined);
    real.removeEventListener("unhandledrejection", rejected);
    real.removeEventListener("error", thrown);
    uninstall();
  };
}

/** What programs are told of the disk: 4 GiB are free, half of it. */
function simulateSpace(): () => void {
  const { statfsSync } = fileSystem;
  const { statfs } = roomCall;
  const space = { bavail: 1 << 20, bfree: 1 << 20, blocks: 1 << 21, bsize: 4096 };
  fileSystem.statfsSync = (() => space) as unknown as typeof statfsSync;
  roomCall.statfs = () => Promise.resolve(space);
  return () => {
    fileSystem.statfsSync = statfsSync;
    roomCall.statfs = statfs;
  };
}

let prepared: Promise<void> | undefined;

/** Loads everything that loads late, so that a world waits for no file of a program. */
function prepare(): Promise<void> {
  return prepared ??= (async () => {
    await loadWorkers();
    const { compileFilter } = await import("../../../core/filter/filter.ts");
    await compileFilter("event.seq > 0");
    const { JsonSchemaRegistry } = await import("../../../core/schema/registry.ts");
    const registry = new JsonSchemaRegistry();
    await registry.register("warm", { schema: '{"type":"object"}' });
    registry.validate("warm", undefined, {});
    const { compareVersionsOf } = await import("../../../core/schema/schema_tools.ts");
    await compareVersionsOf({}, { type: "object" });
    await Promise.all([
      import("../../../core/client/daemon_process.ts"),
      import("../../../core/client/broker/remote_broker.ts"),
      import("../../../core/event/topic_options.ts"),
      import("../../../core/json/exact.ts"),
      import("../../../core/schema/asyncapi.ts"),
      import("../../../core/schema/compatibility/changes.ts"),
      import("smol-toml"),
    ]);
  })();
}

/** Linux has it; elsewhere databases lie where temporary files do. */
const SHARED_MEMORY = "/dev/shm";

let folder: string | undefined;

/** Where databases lie: memory, where there is such a folder. */
function shortFolder(): Promise<string> {
  if (folder === undefined) {
    const dir = ifThere(() => real.Deno.statSync(SHARED_MEMORY)) ? SHARED_MEMORY : undefined;
    const made = folder = real.Deno.makeTempDirSync({ prefix: "evs-world-", dir });
    real.addEventListener("unload", () => real.Deno.removeSync(made, { recursive: true }));
  }
  return Promise.resolve(folder);
}
