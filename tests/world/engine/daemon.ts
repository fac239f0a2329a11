/** The real daemon, all of it, as a process of a world. */
import { serve } from "../../../daemon/main.ts";
import type { Daemon, DaemonOptions, Exit } from "../types.ts";
import type { SimMachine } from "./machine.ts";
import type { SimProcess } from "./process.ts";

/** A daemon that is started again and again. */
export class SimDaemon implements Daemon {
  readonly name: string;
  readonly dataDir: string;
  readonly socket: string;
  readonly #options: DaemonOptions;
  readonly #machine: SimMachine;
  process: SimProcess | undefined;
  #ready: SimProcess | undefined;

  constructor(machine: SimMachine, options: DaemonOptions) {
    this.#machine = machine;
    this.#options = options;
    this.name = options.name ?? "daemon";
    this.dataDir = options.dataDir ?? machine.dataDir;
    this.socket = options.socket ?? machine.socket;
  }

  get isReady(): boolean {
    return this.#ready !== undefined && this.#ready === this.process &&
      this.process.state !== "dead";
  }

  async start(): Promise<"ready" | { exit: Exit; said: string }> {
    if (this.process !== undefined && this.process.state !== "dead") return "ready";
    const { store = "file", durability = "always", config = "" } = this.#options;
    const configFile = `${this.dataDir}.toml`;
    if (config !== "") this.#machine.put(configFile, new TextEncoder().encode(config));
    const args = ["--data-dir", this.dataDir, "--socket", this.socket, "--config", configFile];
    args.push("--store", store, "--durability", durability);
    if (this.#options.takesOver) args.push("--take-over");
    const process = this.process = this.#machine.spawn(this.name, () => serve(args));
    const ready = new Promise<"ready">((resolve) => {
      process.onOutput = () => {
        if (!process.output.includes('"ready":true')) return;
        process.onOutput = undefined;
        this.#ready = process;
        resolve("ready");
      };
    });
    const ended = process.ended.then((exit) => ({ exit, said: process.said }));
    return await Promise.race([ready, ended]);
  }

  async shutDown(): Promise<Exit> {
    const { process } = this;
    if (process === undefined) return { how: "exited", code: 0 };
    process.signal("SIGTERM");
    return await process.ended;
  }

  kill(): void {
    this.process?.kill();
  }
}
