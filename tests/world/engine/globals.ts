/**
 * The globals that a world replaces while it runs: timers, clocks, random numbers, workers, and all
 * of `Deno` that reaches outside. A function of `Deno` that nobody has simulated throws, so that
 * nothing escapes unnoticed.
 */
import { hashText } from "./random.ts";
import { currentProcess, currentThread, Ended, type SimProcess } from "./process.ts";
import { real } from "./real.ts";
import type { Random } from "../types.ts";
import type { Scheduler, SimEvent } from "./scheduler.ts";
import { workerClass } from "./worker.ts";

/** What the globals work on. */
export interface GlobalsHost {
  scheduler: Scheduler;
  wallClock(): number;
  /** How long messages between threads take. */
  random: Random;
  /** Files and sockets. */
  deno: Record<string, unknown>;
  /** An error that was reported or thrown where nobody catches. */
  failed(error: unknown): void;
  kill(pid: number, signal: string): void;
  /** A line of the story. */
  tell(who: string, what: string): void;
}

/** Of `Deno`: no call of these reaches anything outside. */
const HARMLESS = [
  "errors",
  "SeekMode",
  "inspect",
  "version",
  "FsFile",
  "internal",
  "customInspect",
  "test",
  "bench",
  "lint",
  "jupyter",
  "args",
  "noColor",
];

/** Where the program is, and where it is in a world. */
const CHECKOUT = new URL("../../../", import.meta.url).pathname;
const PROGRAM = "/usr/lib/evs/";
/** From this frame of a stack on, it is whoever runs the world. */
const RUNNER = new RegExp(`${PROGRAM}tests/world/engine/(scheduler|run)\\.ts`);

/** Replaces them; returns what puts them back. */
export function installGlobals(host: GlobalsHost): () => void {
  const undo: (() => void)[] = [];
  const replace = (target: object, name: string, value: PropertyDescriptor) => {
    const before = Object.getOwnPropertyDescriptor(target, name);
    Object.defineProperty(target, name, { configurable: true, ...value });
    undo.push(() => {
      if (before) Object.defineProperty(target, name, before);
      else Reflect.deleteProperty(target, name);
    });
  };
  for (const [name, value] of Object.entries({ ...timers(host), ...globals(host) })) {
    replace(globalThis, name, { writable: true, value });
  }
  for (const name of ["log", "info", "warn", "error", "debug"]) {
    const before = Object.getOwnPropertyDescriptor(console, name)!.value;
    replace(console, name, {
      writable: true,
      value: (...said: unknown[]) => {
        const process = currentThread()?.process;
        if (process === undefined) before(...said);
        else host.tell(process.name, `says ${said.map(String).join(" ").split("\n")[0]}`);
      },
    });
  }
  replace(Math, "random", { writable: true, value: () => currentProcess().random.next() });
  replace(performance, "now", { writable: true, value: () => host.scheduler.now });
  replace(AbortSignal, "timeout", { writable: true, value: timeoutSignal });
  replace(Atomics, "waitAsync", { writable: true, value: waitAsync(host) });
  // Nobody else runs while one waits, so nothing can have changed.
  replace(Atomics, "wait", { writable: true, value: () => "timed-out" });
  const { subtle } = crypto;
  replace(crypto, "getRandomValues", { writable: true, value: fill });
  replace(crypto, "randomUUID", { writable: true, value: uuid });
  replace(crypto, "subtle", { value: digestOnly(subtle) });
  const deno: Record<string, unknown> = { ...host.deno, ...ofProcess(host) };
  for (const name of Object.getOwnPropertyNames(Deno)) {
    if (name in deno) replace(Deno, name, { writable: true, value: deno[name] });
    else if (!HARMLESS.includes(name) && typeof real.Deno[name as "open"] === "function") {
      replace(Deno, name, { writable: true, value: () => notSimulated(`Deno.${name}`) });
    }
  }
  replace(Deno, "pid", { get: () => currentThread()?.process.pid ?? real.Deno.pid });
  // Clients send the path of their program and the stacks of errors: with those of the checkout, a
  // seed would mean something else in another folder.
  replace(Deno, "mainModule", { value: `file://${PROGRAM}cli.ts` });
  replace(Error, "prepareStackTrace", { writable: true, value: stackOf });
  replace(Deno, "build", { value: { ...real.Deno.build, standalone: true } });
  return () => undo.reverse().forEach((one) => one());
}

/** Without whoever runs the world: alone, a seed would mean something else than among many. */
function stackOf(error: Error, frames: readonly unknown[]): string {
  const lines = frames.map((frame) =>
    `    at ${frame}`.replaceAll(CHECKOUT, PROGRAM)
      .replaceAll(decodeURIComponent(CHECKOUT), PROGRAM)
  );
  const end = lines.findIndex((line) => RUNNER.test(line));
  return [String(error), ...end < 0 ? lines : lines.slice(0, end)].join("\n");
}

function notSimulated(what: string): never {
  throw new Error(`${what} is not simulated`);
}

function timers({ scheduler }: GlobalsHost): Record<string, unknown> {
  const running = new Map<number, SimEvent>();
  let last = 0;
  const start = (
    callback: (...args: unknown[]) => void,
    ms: number,
    options: { args: unknown[]; again: boolean },
  ) => {
    const id = ++last;
    const thread = currentThread();
    const wait = () => {
      const kind = ms < 0 ? "immediate" : "timer";
      const run = () => {
        running.delete(id);
        if (options.again) wait();
        callback(...options.args);
      };
      running.set(id, scheduler.after(Math.max(ms < 0 ? 0 : 1, ms), { kind, thread, run }));
    };
    wait();
    return id;
  };
  const clear = (id: number | undefined) => {
    const event = id === undefined ? undefined : running.get(id);
    if (event === undefined) return;
    scheduler.cancel(event);
    running.delete(id!);
  };
  type Callback = (...args: unknown[]) => void;
  return {
    setTimeout: (callback: Callback, ms = 0, ...args: unknown[]) =>
      start(callback, Math.max(0, ms), { args, again: false }),
    setInterval: (callback: Callback, ms = 0, ...args: unknown[]) =>
      start(callback, Math.max(1, ms), { args, again: true }),
    setImmediate: (callback: Callback, ...args: unknown[]) =>
      start(callback, -1, { args, again: false }),
    clearTimeout: clear,
    clearInterval: clear,
    clearImmediate: clear,
  };
}

function globals(host: GlobalsHost): Record<string, unknown> {
  const now = () => Math.floor(host.wallClock());
  class WorldDate extends real.Date {
    constructor(...args: unknown[]) {
      super(...(args.length === 0 ? [now()] : args) as [number]);
    }
    static override now(): number {
      return now();
    }
  }
  const listeners = (type: string) => {
    const { listeners } = currentProcess();
    const known = listeners.get(type) ?? new Set();
    listeners.set(type, known);
    return known;
  };
  return {
    Date: WorldDate,
    Worker: workerClass(host),
    reportError: host.failed,
    addEventListener: (type: string, listener: (event: Event) => void) =>
      void listeners(type).add(listener),
    removeEventListener: (type: string, listener: (event: Event) => void) =>
      void listeners(type).delete(listener),
    fetch: () => notSimulated("fetch"),
  };
}

function timeoutSignal(ms: number): AbortSignal {
  const controller = new AbortController();
  setTimeout(() => controller.abort(new DOMException("Signal timed out.", "TimeoutError")), ms);
  return controller.signal;
}

/** core/base/clock.ts waits for a number that nobody changes. */
function waitAsync({ scheduler }: GlobalsHost) {
  return (_array: Int32Array, _index: number, _value: number, ms: number) => {
    const thread = currentThread();
    const value = new Promise<string>((resolve) => {
      const run = () => resolve("timed-out");
      scheduler.after(ms, { kind: "timer", thread, run });
    });
    return { async: true, value };
  };
}

function fill<T extends ArrayBufferView>(into: T): T {
  const { random } = currentProcess();
  const bytes = new Uint8Array(into.buffer, into.byteOffset, into.byteLength);
  let at = 0;
  for (; at + 4 <= bytes.length; at += 4) {
    const bits = random.bits();
    bytes[at] = bits;
    bytes[at + 1] = bits >>> 8;
    bytes[at + 2] = bits >>> 16;
    bytes[at + 3] = bits >>> 24;
  }
  for (; at < bytes.length; at++) bytes[at] = random.bits();
  return into;
}

function uuid(): string {
  const bytes = fill(new Uint8Array(16));
  bytes[6] = bytes[6]! & 0x0f | 0x40;
  bytes[8] = bytes[8]! & 0x3f | 0x80;
  const hex = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
}

/** The real one answers from another thread; this one at once, with a digest of the same length. */
function digestOnly(_subtle: SubtleCrypto): Pick<SubtleCrypto, "digest"> {
  return {
    digest(_algorithm, data) {
      const bytes = ArrayBuffer.isView(data)
        ? new Uint8Array(data.buffer, data.byteOffset, data.byteLength)
        : new Uint8Array(data);
      const text = Array.from(bytes, (byte) => String.fromCharCode(byte)).join("");
      const words = Array.from({ length: 8 }, (_, i) => hashText(`${i}${text}`));
      return Promise.resolve(new Uint32Array(words).buffer);
    },
  };
}

/** What belongs to the process that asks. */
function ofProcess(host: GlobalsHost): Record<string, unknown> {
  const signals = (name: string) => {
    const { signals } = currentProcess();
    const known = signals.get(name) ?? new Set();
    signals.set(name, known);
    return known;
  };
  const granted = { state: "granted", onchange: null };
  return {
    addSignalListener: (name: string, listener: () => void) => void signals(name).add(listener),
    removeSignalListener: (name: string, listener: () => void) =>
      void signals(name).delete(listener),
    exit: (code = 0) => {
      currentProcess().finish({ how: "exited", code });
      throw new Ended();
    },
    kill: (pid: number, signal = "SIGTERM") => host.kill(pid, signal),
    ...standardStreams(),
    permissions: {
      query: () => Promise.resolve(granted),
      querySync: () => granted,
      revoke: () => Promise.resolve({ ...granted, state: "denied" }),
    },
    env: {
      get: (name: string) => currentProcess().env[name],
      toObject: () => ({ ...currentProcess().env }),
      has: (name: string) => name in currentProcess().env,
    },
    umask: () => 0o022,
    uid: () => real.Deno.uid(),
    gid: () => real.Deno.gid(),
    hostname: () => "world",
    cwd: () => "/",
    execPath: () => "/usr/bin/evs",
    memoryUsage: () => ({ rss: 64 << 20, heapTotal: 32 << 20, heapUsed: 16 << 20, external: 0 }),
  };
}

/** No terminal. A command reads what it was given; a daemon's input never ends. */
function standardStreams(): Record<string, unknown> {
  const stream = (take: (process: SimProcess, bytes: Uint8Array) => number) => ({
    writeSync: (bytes: Uint8Array) => take(currentProcess(), bytes),
    write: (bytes: Uint8Array) => Promise.try(() => take(currentProcess(), bytes)),
    isTerminal: () => false,
  });
  return {
    stdout: stream(wrote),
    stderr: stream((process, bytes) => {
      process.said += new TextDecoder().decode(bytes);
      return bytes.length;
    }),
    stdin: {
      isTerminal: () => false,
      read: (into: Uint8Array) => {
        const process = currentProcess();
        if (Object.keys(process.env).length === 0) return new Promise(() => {});
        const piece = process.input.subarray(0, into.length);
        process.input = process.input.subarray(piece.length);
        into.set(piece);
        return Promise.resolve(piece.length === 0 ? null : piece.length);
      },
    },
  };
}

function wrote(process: SimProcess, bytes: Uint8Array): number {
  process.output += new TextDecoder().decode(bytes);
  process.onOutput?.();
  return bytes.length;
}
