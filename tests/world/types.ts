/**
 * The interface between the engine of the simulated world (tests/world/engine) and the lives that
 * run in it (tests/world/lives). The engine owns time, randomness, disk, sockets and processes; a
 * life says who does what, and judges.
 */

/** Random numbers from the seed, and from nothing else. */
export interface Random {
  /** From 0 to below 1. */
  next(): number;
  /** An integer from `low` to `high`, both included. */
  int(low: number, high: number): number;
  /** True with this probability. */
  chance(probability: number): boolean;
  pick<T>(from: readonly T[]): T;
  /** Picks a key by weight; `{ publish: 5, seek: 1 }`. Keys with weight 0 are never picked. */
  weighted<K extends string>(weights: Readonly<Record<K, number>>): K;
}

/** JSON, which is what a kept failure consists of. */
export type Json = null | boolean | number | string | Json[] | { [name: string]: Json };

/**
 * One thing that somebody does. Steps are data, so that a failing life can be made smaller by
 * leaving steps out: a step must make sense (do nothing, at worst) whatever others are left out.
 * Draw what a step needs when it is planned and put it into `args`; while it runs, draw only from
 * `world.random(...)` with a name of the step's own, such as `step ${id}`.
 */
export interface Step {
  /** Unique in its plan; stays the same when other steps are left out. */
  id: number;
  /** When, in ms of simulated time since the world began. */
  at: number;
  /** Who: a name of the life's own. `machine` is the engine's: see {@link MachineAct}. */
  actor: string;
  /** What: a name of the life's own, or `MachineAct["act"]` if the actor is `machine`. */
  act: string;
  args: { [name: string]: Json };
}

/** All that a seed decided before the world began. */
export interface Plan {
  seed: number;
  /** Which features this life has, which store, which settings: the swarm's choices. */
  settings: { [name: string]: Json };
  steps: Step[];
}

/** What the engine runs: plans come from a seed or, smaller, from a file in tests/world/kept. */
export interface Life {
  /** Names the life in kept files and on the command line: `--life NAME`. */
  name: string;
  /** Set it if it uses {@link World.evs}: loading all commands takes a second. */
  usesCommands?: boolean;
  /** Pure: the same seed, the same plan. */
  plan(seed: number, random: Random): Plan;
  /**
   * Runs the plan. Resolves when all is over and judged; a violation is `world.violated(...)` or any
   * error that is thrown. It runs in a process of its own, `director`, that no fault meets.
   */
  run(world: World, plan: Plan): Promise<void>;
}

/** One simulated world. */
export interface World {
  readonly seed: number;
  readonly machine: Machine;
  /** True time: ms since the world began. The wall clock that processes see may differ. */
  now(): number;
  /**
   * Numbers of a stream of this name: independent of all other streams, so that leaving out a step
   * does not change what others draw.
   */
  random(stream: string): Random;
  /** Resolves after this time; for the director and for judges. */
  sleep(ms: number): Promise<void>;
  /**
   * Resolves when `condition` holds, looked at every `everyMs` (default 50) of simulated time. A
   * violation of `what` if it does not within `withinMs`.
   */
  until(
    condition: () => boolean | Promise<boolean>,
    options: { what: string; withinMs: number; everyMs?: number },
  ): Promise<void>;
  /** Runs all steps of a plan, each at its time, in a row; `machine` steps are done by the engine. */
  perform(plan: Plan, act: (step: Step) => void | Promise<void>): Promise<void>;
  /**
   * Starts a process. `program` is its main function: all that it calls sees the process's own
   * time, disk, sockets, `Deno.pid` and signals through the usual globals, so it uses the library as
   * an application does: `connect({ socket })`, `new Client(...)`, `new EventBroker(...)`. Nothing of
   * it happens any more once it is killed; what it put into arrays of the life before is kept.
   */
  spawn(name: string, program: () => Promise<number | void>): Process;
  /**
   * Runs a command line of `evs` in a process of its own, with the daemon's socket and data dir in
   * its environment: `evs(["backup", "/backup.tar"])`. What it prints is in `output` and `said`.
   * `evs consume` starts what {@link World.program} has put there. Commands that start a daemon are
   * not simulated: with, daemon start.
   */
  evs(args: readonly string[], options?: CommandOptions): CommandProcess;
  /** Puts a program at a path, for commands to start: `program("/bin/handler", ({ input }) => ...)`. */
  program(path: string, run: Program): void;
  /** A daemon: the real `runDaemon`, in a process of the world. Not started yet. */
  daemon(options?: DaemonOptions): Daemon;
  /** A line of the story and of the trace. Objects are written as JSON. */
  note(who: string, what: string, details?: unknown): void;
  /** Adds to a number that the run prints at its end: "events", "dead letters". */
  count(what: string, by?: number): void;
  /** A broken promise: ends the world. `promise`: the row or sentence of docs/contract.md. */
  violated(promise: string, details: string): never;
  /** What is wrong can be reported without ending the world at once; the first is what counts. */
  readonly violations: readonly Violation[];
}

/** A promise that did not hold. */
export interface Violation {
  promise: string;
  details: string;
  /** Simulated ms. */
  at: number;
}

/** How a process ended. */
export type Exit = { how: "exited"; code: number } | { how: "killed" } | {
  how: "threw";
  error: unknown;
};

/** A process of the world. */
export interface Process {
  readonly name: string;
  readonly pid: number;
  readonly state: "running" | "stopped" | "dead";
  /** Resolves when it has ended, whatever the way. */
  readonly ended: Promise<Exit>;
  /** SIGKILL: nothing of it acts any more; its sockets break, its locks are free. */
  kill(): void;
  /** SIGSTOP: no callback of it runs; time goes on. */
  stop(): void;
  /** SIGCONT: overdue timers fire first, then what arrived on sockets is read. */
  continue(): void;
  /** Any other signal, to whoever listens for it; without a listener, SIGTERM and SIGINT kill. */
  signal(name: "SIGTERM" | "SIGINT" | "SIGHUP"): void;
}

/** A program that a command starts; resolves with its exit code. */
export type Program = (run: {
  args: readonly string[];
  env: Readonly<Record<string, string>>;
  /** Standard input. */
  input: AsyncIterable<Uint8Array>;
  /** Writes to standard error. */
  print(text: string): void;
}) => Promise<number>;

/** How a command runs. */
export interface CommandOptions {
  /** Default `evs`. */
  name?: string;
  env?: Record<string, string>;
  /** What it reads from standard input. */
  input?: string;
}

/** A process that prints. */
export interface CommandProcess extends Process {
  /** Standard output so far. */
  readonly output: string;
  /** Standard error so far. */
  readonly said: string;
}

/** How a daemon is started. */
export interface DaemonOptions {
  /** Default `daemon`; a second one needs its own. */
  name?: string;
  /** Default `world.machine.dataDir`. */
  dataDir?: string;
  /** Default `world.machine.socket`. */
  socket?: string;
  /** The text of its config file, TOML. */
  config?: string;
  /** Default `file`. */
  store?: "file" | "sqlite" | "memory";
  /** Default `always`. */
  durability?: string;
  /** Waits for the daemon that has the data dir, and takes its place. */
  takesOver?: boolean;
}

/** A daemon that can be started again and again. */
export interface Daemon {
  readonly name: string;
  readonly dataDir: string;
  readonly socket: string;
  /** The last process that was started. */
  readonly process: Process | undefined;
  /** True while it runs and has said that it is ready. */
  readonly isReady: boolean;
  /**
   * Starts it, unless it runs; resolves when it says that it is ready ("ready"), or with what it
   * said and how it ended if it does not come so far.
   */
  start(): Promise<"ready" | { exit: Exit; said: string }>;
  /** SIGTERM; resolves when it has ended. */
  shutDown(): Promise<Exit>;
  kill(): void;
}

/** Calls of a disk that can be made to fail. */
export type DiskOp =
  | "open"
  | "create"
  | "read"
  | "write"
  | "truncate"
  | "sync"
  | "syncFolder"
  | "rename"
  | "remove";

/** A fault of the disk that is waiting to happen. */
export interface DiskFault {
  /** `EIO` and `ENOSPC` throw; `short` writes a part and says so; `kill` kills the process. */
  kind: "EIO" | "ENOSPC" | "short" | "kill";
  /** Which calls; default: every one that changes something. */
  ops?: DiskOp[];
  /** Only paths that contain this text. */
  path?: string;
  /** After this many matching calls; default 0: the next one. */
  after?: number;
  /** This many times; default 1. Infinity: until {@link Machine.clearFaults}. */
  times?: number;
}

/** What sockets do to bytes. All of it may change at any time. */
export interface NetworkBehaviour {
  /** Each piece takes between these, ms. Default [0, 1]. */
  delayMs?: [number, number];
  /** The largest piece in which bytes arrive; default 65536. */
  pieceBytes?: number;
  /** The chance of each piece that its connection is cut instead (both ends see it). Default 0. */
  cutChance?: number;
  /** Nothing moves until this is false again. Default false. */
  stalled?: boolean;
}

/** The machine that the processes run on. */
export interface Machine {
  /** The folder in which everything lies; longer than `/`, because databases are real files. */
  readonly root: string;
  /** Of the daemon; of the machine's own disk. */
  readonly dataDir: string;
  readonly socket: string;
  /** All that were ever started. */
  readonly processes: readonly Process[];
  /** Lets a fault of the disk wait for its call. */
  fault(fault: DiskFault): void;
  clearFaults(): void;
  /** Bytes that the disk has room for from now on; undefined: no limit. ENOSPC beyond. */
  room(bytes: number | undefined): void;
  /** Flips one bit of a file, durably; false if there is no such byte. */
  flipBit(path: string, byte: number, bit: number): boolean;
  /** Takes a file or folder away (`rm -r`), durably; false if it was not there. */
  takeAway(path: string): boolean;
  /** Paths of all files below a folder, sorted. Databases are among them. */
  files(folder?: string): string[];
  /** The bytes of a file, as processes see them. */
  bytes(path: string): Uint8Array;
  /** Writes a file, durably. */
  put(path: string, bytes: Uint8Array): void;
  /**
   * Cuts the power: every process is killed, and of what was not synced any part is lost or torn, as
   * the seed decides. Processes can be started again at once.
   */
  powerCut(): void;
  /** Steps the wall clock; true time, timers and `performance.now` go on. */
  stepClock(byMs: number): void;
  network(behaviour: NetworkBehaviour): void;
  /** Cuts all connections of a process, or all; returns how many. */
  cut(process?: string): number;
  /** The other end of each connection of a process reads the end of the stream, but can write. */
  halfClose(process: string): number;
}

/** Steps of the actor `machine` that the engine does itself; `who` is the name of a process. */
export type MachineAct =
  | { act: "kill" | "stop" | "continue"; args: { who: string } }
  /** Kills the process during its disk call number `after` from now. */
  | { act: "killAtDisk"; args: { who: string; after: number } }
  | { act: "powerCut"; args: Record<string, never> }
  | { act: "stepClock"; args: { byMs: number } }
  | { act: "diskFault"; args: { [name in keyof DiskFault]: Json } }
  | { act: "clearFaults"; args: Record<string, never> }
  | { act: "room"; args: { bytes: number | null } }
  | { act: "network"; args: { [name in keyof NetworkBehaviour]: Json } }
  | { act: "cut" | "halfClose"; args: { who: string } }
  /** `path`: of files whose path contains it, the one that `nth` (0 to below 1) picks. */
  | { act: "flipBit"; args: { path: string; nth: number; at: number; bit: number } }
  | { act: "takeAway"; args: { path: string; nth: number } };
