/** One world: what a life works with. See tests/world/types.ts. */
import type {
  CommandOptions,
  CommandProcess,
  Daemon,
  DaemonOptions,
  DiskFault,
  Json,
  MachineAct,
  NetworkBehaviour,
  Plan,
  Process,
  Program,
  Random,
  Step,
  Violation,
  World,
} from "../types.ts";
import { runCommand } from "./commands.ts";
import { SimDaemon } from "./daemon.ts";
import { SimMachine } from "./machine.ts";
import type { SimProcess } from "./process.ts";
import { randomStream } from "./random.ts";
import type { Scheduler } from "./scheduler.ts";
import type { Trace } from "./trace.ts";

/** Ends a world in which a promise was broken. */
export class ViolationError extends Error {
  readonly violation: Violation;

  constructor(violation: Violation) {
    super(`${violation.promise}: ${violation.details}`);
    this.violation = violation;
  }
}

/** What a world is made of. */
export interface WorldParts {
  seed: number;
  root: string;
  scheduler: Scheduler;
  trace: Trace;
}

/** A world. */
export class SimWorld implements World {
  readonly seed: number;
  readonly machine: SimMachine;
  readonly violations: Violation[] = [];
  readonly counts = new Map<string, number>();
  readonly #scheduler: Scheduler;
  readonly #trace: Trace;

  constructor({ seed, root, scheduler, trace }: WorldParts) {
    this.seed = seed;
    this.#scheduler = scheduler;
    this.#trace = trace;
    this.machine = new SimMachine(root, {
      scheduler,
      random: (stream) => this.random(stream),
      trace: (who, what) => trace.add(scheduler.now, who, what),
      tell: (who, what) => trace.add(scheduler.now, who, what, true),
      count: (what) => this.count(what),
    });
  }

  now(): number {
    return this.#scheduler.now;
  }

  random(stream: string): Random & { bits(): number } {
    return randomStream(this.seed, stream);
  }

  sleep(ms: number): Promise<void> {
    return new Promise((resolve) => void setTimeout(resolve, ms));
  }

  async until(
    condition: () => boolean | Promise<boolean>,
    { what, withinMs, everyMs = 50 }: { what: string; withinMs: number; everyMs?: number },
  ): Promise<void> {
    const end = this.now() + withinMs;
    while (!await condition()) {
      if (this.now() >= end) this.violated(what, `not within ${withinMs} ms`);
      await this.sleep(everyMs);
    }
  }

  async perform(plan: Plan, act: (step: Step) => void | Promise<void>): Promise<void> {
    const begun: Promise<void>[] = [];
    for (const step of plan.steps.toSorted((a, b) => a.at - b.at || a.id - b.id)) {
      if (step.at > this.now()) await this.sleep(step.at - this.now());
      const args = Object.keys(step.args).length === 0 ? undefined : step.args;
      this.note(step.actor, `step ${step.id}: ${step.act}`, args);
      if (step.actor === "machine") performMachineAct(this, step);
      else begun.push(Promise.try(act, step) as Promise<void>);
    }
    await Promise.all(begun);
  }

  spawn(name: string, program: () => Promise<number | void>): Process {
    return this.machine.spawn(name, program);
  }

  evs(args: readonly string[], options: CommandOptions = {}): CommandProcess {
    const { name = "evs", env = {}, input = "" } = options;
    const process = this.machine.spawn(name, () => runCommand(args));
    const { dataDir, socket } = this.machine;
    process.env = { EVS_DATA_DIR: dataDir, EVS_SOCKET: socket, HOME: this.machine.root, ...env };
    process.input = new TextEncoder().encode(input);
    return process;
  }

  program(path: string, run: Program): void {
    this.machine.put(path, new TextEncoder().encode("a program of this world"));
    this.machine.fileSystem.find(path)!.mode = 0o755;
    this.machine.programs.set(path, run);
  }

  daemon(options: DaemonOptions = {}): Daemon {
    return new SimDaemon(this.machine, options);
  }

  note(who: string, what: string, details?: unknown): void {
    const text = details === undefined ? "" : ` ${JSON.stringify(details)}`;
    this.#trace.add(this.now(), who, `${what}${text}`, true);
  }

  count(what: string, by = 1): void {
    this.counts.set(what, (this.counts.get(what) ?? 0) + by);
  }

  violated(promise: string, details: string): never {
    const violation = { promise, details, at: this.now() };
    this.violations.push(violation);
    this.note("judge", `${promise} is broken`, details);
    throw new ViolationError(violation);
  }
}

/** Does what a step of the actor `machine` says. */
function performMachineAct(world: SimWorld, step: Step): void {
  const { machine } = world;
  const { act, args } = step as unknown as MachineAct;
  const who = (name: string): SimProcess | undefined => machine.process(name);
  switch (act) {
    case "kill":
      return who(args.who)?.kill();
    case "stop":
      world.count("stalls");
      return who(args.who)?.stop();
    case "continue":
      return who(args.who)?.continue();
    case "killAtDisk": {
      const process = who(args.who);
      if (process !== undefined) process.diesIn = args.after;
      return;
    }
    case "powerCut":
      return machine.powerCut();
    case "stepClock":
      return machine.stepClock(args.byMs);
    case "diskFault":
      return machine.fault(args as Json as unknown as DiskFault);
    case "clearFaults":
      return machine.clearFaults();
    case "room":
      return machine.room(args.bytes ?? undefined);
    case "network":
      return machine.network(args as NetworkBehaviour);
    case "cut":
      return void machine.cut(args.who);
    case "halfClose":
      return void machine.halfClose(args.who);
    case "flipBit":
    case "takeAway": {
      const files = machine.files().filter((path) => path.includes(args.path));
      const file = files[Math.floor(args.nth * files.length)];
      if (file === undefined) return;
      if (act === "takeAway") return void machine.takeAway(file);
      const { length } = machine.bytes(file);
      return void machine.flipBit(file, Math.floor(args.at * length), args.bit);
    }
  }
}
